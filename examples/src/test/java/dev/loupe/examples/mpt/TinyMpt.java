package dev.loupe.examples.mpt;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/** A tiny MPT checkpoint with random numbers, and its logits by plain arithmetic, without Loupe. */
final class TinyMpt {

    static final int WIDTH = 24;
    static final int HEADS = 3;
    static final int HEAD_WIDTH = 8;
    static final int MLP = 48;
    static final int LAYERS = 2;
    static final int VOCABULARY = 37;
    static final double EPS = 1e-4;

    /** Of four heads 2^-2, 2^-4, 2^-6, 2^-8; of three the second, the fourth, then the first. */
    static final double[] SLOPES = {1.0 / 16, 1.0 / 256, 1.0 / 4};

    private final Map<String, HostTensor> tensors = new LinkedHashMap<>();

    TinyMpt(long seed) {
        Random random = new Random(seed);
        tensor(random, 0, "transformer.wte.weight", VOCABULARY, WIDTH);
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "transformer.blocks." + layer + ".";
            tensor(random, 1, block + "norm_1.weight", WIDTH);
            tensor(random, 0, block + "attn.Wqkv.weight", 3 * WIDTH, WIDTH);
            tensor(random, 0, block + "attn.out_proj.weight", WIDTH, WIDTH);
            tensor(random, 1, block + "norm_2.weight", WIDTH);
            tensor(random, 0, block + "ffn.up_proj.weight", MLP, WIDTH);
            tensor(random, 0, block + "ffn.down_proj.weight", WIDTH, MLP);
        }
        tensor(random, 1, "transformer.norm_f.weight", WIDTH);
    }

    private void tensor(Random random, double mean, String name, long... sizes) {
        HostTensor tensor = HostTensor.allocate(DType.FLOAT32, Shape.of(sizes));
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, mean + 0.3 * random.nextGaussian());
        }
        tensors.put(name, tensor);
    }

    /** Writes config.json and model.safetensors. */
    void writeTo(Path directory) {
        String config = """
                {
                  "model_type": "mpt", "architectures": ["MptForCausalLM"], "d_model": %d, "n_heads": %d,
                  "n_layers": %d, "expansion_ratio": 2, "vocab_size": %d, "max_seq_len": 32,
                  "layer_norm_epsilon": %s, "no_bias": true, "attn_config": {"alibi": true, "alibi_bias_max": 8}
                }
                """.formatted(WIDTH, HEADS, LAYERS, VOCABULARY, EPS);
        try {
            Files.writeString(directory.resolve("config.json"), config);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        SafetensorsWriter writer = new SafetensorsWriter();
        tensors.forEach(writer::add);
        writer.write(directory.resolve("model.safetensors"));
    }

    /** Logits [pos][vocabulary] in double precision. */
    double[][] logits(long[] ids) {
        double[] embedding = numbers("transformer.wte.weight");
        double[][] stream = new double[ids.length][WIDTH];
        for (int p = 0; p < ids.length; p++) {
            System.arraycopy(embedding, (int) ids[p] * WIDTH, stream[p], 0, WIDTH);
        }
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "transformer.blocks." + layer + ".";
            double[][] attention = attention(stream, block);
            for (int p = 0; p < ids.length; p++) {
                double[] middle = sum(stream[p], attention[p]);
                double[] hidden = times(block + "ffn.up_proj", normal(middle, block + "norm_2"));
                for (int i = 0; i < MLP; i++) {
                    hidden[i] *= 0.5 * (1 + erf(hidden[i] / Math.sqrt(2)));
                }
                stream[p] = sum(middle, times(block + "ffn.down_proj", hidden));
            }
        }
        double[][] logits = new double[ids.length][];
        for (int p = 0; p < ids.length; p++) {
            logits[p] = times("transformer.wte", normal(stream[p], "transformer.norm_f"));
        }
        return logits;
    }

    private double[][] attention(double[][] stream, String block) {
        int positions = stream.length;
        double[][] joint = new double[positions][];
        for (int p = 0; p < positions; p++) {
            joint[p] = times(block + "attn.Wqkv", normal(stream[p], block + "norm_1"));
        }
        double[][] out = new double[positions][];
        for (int p = 0; p < positions; p++) {
            double[] mixed = new double[WIDTH];
            for (int head = 0; head < HEADS; head++) {
                int start = head * HEAD_WIDTH;
                double[] weights = new double[p + 1];
                double total = 0;
                for (int from = 0; from <= p; from++) {
                    double score = 0;
                    for (int i = 0; i < HEAD_WIDTH; i++) {
                        score += joint[p][start + i] * joint[from][WIDTH + start + i];
                    }
                    weights[from] = Math.exp(score / Math.sqrt(HEAD_WIDTH) + SLOPES[head] * (from - p));
                    total += weights[from];
                }
                for (int from = 0; from <= p; from++) {
                    for (int i = 0; i < HEAD_WIDTH; i++) {
                        mixed[start + i] += weights[from] / total * joint[from][2 * WIDTH + start + i];
                    }
                }
            }
            out[p] = times(block + "attn.out_proj", mixed);
        }
        return out;
    }

    private double[] normal(double[] x, String name) {
        double mean = 0;
        for (double element : x) {
            mean += element / x.length;
        }
        double variance = 0;
        for (double element : x) {
            variance += Math.pow(element - mean, 2) / x.length;
        }
        double[] weight = numbers(name + ".weight");
        double[] result = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            result[i] = (x[i] - mean) / Math.sqrt(variance + EPS) * weight[i];
        }
        return result;
    }

    private double[] times(String name, double[] x) {
        double[] weight = numbers(name + ".weight");
        double[] result = new double[weight.length / x.length];
        for (int row = 0; row < result.length; row++) {
            for (int i = 0; i < x.length; i++) {
                result[row] += weight[row * x.length + i] * x[i];
            }
        }
        return result;
    }

    private double[] numbers(String name) {
        return Objects.requireNonNull(tensors.get(name), name).toDoubleArray();
    }

    private static double[] sum(double[] a, double[] b) {
        double[] sum = a.clone();
        for (int i = 0; i < a.length; i++) {
            sum[i] += b[i];
        }
        return sum;
    }

    /** The error function by its series, which converges fast for the small numbers here. */
    private static double erf(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < 200; n++) {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }
}
