package dev.loupe.architectures.neox;

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

/**
 * A tiny GPT-NeoX checkpoint with random numbers, and its logits by plain arithmetic: written down from the
 * paper and Hugging Face's model, without Loupe.
 */
final class TinyNeox {

    static final int WIDTH = 24;
    static final int HEADS = 3;
    static final int HEAD_WIDTH = 8;
    static final int ROTATED = 4;
    static final int MLP = 40;
    static final int LAYERS = 2;
    static final int VOCABULARY = 37;
    static final double EPS = 1e-4;

    private final Map<String, HostTensor> tensors = new LinkedHashMap<>();
    private final boolean parallel;

    TinyNeox(long seed, boolean parallel) {
        this.parallel = parallel;
        Random random = new Random(seed);
        tensor(random, 0, "gpt_neox.embed_in.weight", VOCABULARY, WIDTH);
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "gpt_neox.layers." + layer + ".";
            norm(random, block + "input_layernorm");
            linear(random, block + "attention.query_key_value", WIDTH, 3 * WIDTH);
            linear(random, block + "attention.dense", WIDTH, WIDTH);
            norm(random, block + "post_attention_layernorm");
            linear(random, block + "mlp.dense_h_to_4h", WIDTH, MLP);
            linear(random, block + "mlp.dense_4h_to_h", MLP, WIDTH);
            tensor(random, 0, block + "attention.rotary_emb.inv_freq", ROTATED / 2);
        }
        norm(random, "gpt_neox.final_layer_norm");
        tensor(random, 0, "embed_out.weight", VOCABULARY, WIDTH);
    }

    private void norm(Random random, String name) {
        tensor(random, 1, name + ".weight", WIDTH);
        tensor(random, 0, name + ".bias", WIDTH);
    }

    private void linear(Random random, String name, int in, int out) {
        tensor(random, 0, name + ".weight", out, in);
        tensor(random, 0, name + ".bias", out);
    }

    private void tensor(Random random, double mean, String name, long... sizes) {
        HostTensor tensor = HostTensor.allocate(DType.FLOAT32, Shape.of(sizes));
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, mean + 0.3 * random.nextGaussian());
        }
        tensors.put(name, tensor);
    }

    /** Writes config.json and model.safetensors. */
    Path writeTo(Path directory) {
        String config = """
                {
                  "model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"],
                  "hidden_size": %d, "num_attention_heads": %d, "num_hidden_layers": %d, "intermediate_size": %d,
                  "vocab_size": %d, "max_position_embeddings": 32, "layer_norm_eps": %s, "hidden_act": "gelu",
                  "rotary_pct": 0.5, "rotary_emb_base": 100, "use_parallel_residual": %s,
                  "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": false
                }
                """.formatted(WIDTH, HEADS, LAYERS, MLP, VOCABULARY, EPS, parallel);
        try {
            Files.writeString(directory.resolve("config.json"), config);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        SafetensorsWriter writer = new SafetensorsWriter();
        tensors.forEach(writer::add);
        writer.write(directory.resolve("model.safetensors"));
        return directory;
    }

    /** Logits [pos][vocabulary] in double precision. */
    double[][] logits(long[] ids) {
        double[] embedding = numbers("gpt_neox.embed_in.weight");
        double[][] stream = new double[ids.length][WIDTH];
        for (int p = 0; p < ids.length; p++) {
            System.arraycopy(embedding, (int) ids[p] * WIDTH, stream[p], 0, WIDTH);
        }
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "gpt_neox.layers." + layer + ".";
            double[][] attention = attention(stream, block);
            for (int p = 0; p < ids.length; p++) {
                double[] after = sum(stream[p], attention[p]);
                double[] read = parallel ? stream[p] : after;
                double[] hidden = times(block + "mlp.dense_h_to_4h", normal(read, block + "post_attention_layernorm"));
                for (int i = 0; i < MLP; i++) {
                    hidden[i] *= 0.5 * (1 + erf(hidden[i] / Math.sqrt(2)));
                }
                stream[p] = sum(after, times(block + "mlp.dense_4h_to_h", hidden));
            }
        }
        double[][] logits = new double[ids.length][VOCABULARY];
        double[] unembedding = numbers("embed_out.weight");
        for (int p = 0; p < ids.length; p++) {
            double[] normal = normal(stream[p], "gpt_neox.final_layer_norm");
            for (int token = 0; token < VOCABULARY; token++) {
                for (int i = 0; i < WIDTH; i++) {
                    logits[p][token] += unembedding[token * WIDTH + i] * normal[i];
                }
            }
        }
        return logits;
    }

    private double[][] attention(double[][] stream, String block) {
        int positions = stream.length;
        double[][] joint = new double[positions][];
        for (int p = 0; p < positions; p++) {
            joint[p] = times(block + "attention.query_key_value", normal(stream[p], block + "input_layernorm"));
            for (int head = 0; head < HEADS; head++) {
                rotate(joint[p], head * 3 * HEAD_WIDTH, p);
                rotate(joint[p], head * 3 * HEAD_WIDTH + HEAD_WIDTH, p);
            }
        }
        double[][] out = new double[positions][];
        for (int p = 0; p < positions; p++) {
            double[] mixed = new double[WIDTH];
            for (int head = 0; head < HEADS; head++) {
                int start = head * 3 * HEAD_WIDTH;
                double[] weights = new double[p + 1];
                double total = 0;
                for (int from = 0; from <= p; from++) {
                    double score = 0;
                    for (int i = 0; i < HEAD_WIDTH; i++) {
                        score += joint[p][start + i] * joint[from][start + HEAD_WIDTH + i];
                    }
                    weights[from] = Math.exp(score / Math.sqrt(HEAD_WIDTH));
                    total += weights[from];
                }
                for (int from = 0; from <= p; from++) {
                    for (int i = 0; i < HEAD_WIDTH; i++) {
                        mixed[head * HEAD_WIDTH + i] += weights[from] / total * joint[from][start + 2 * HEAD_WIDTH + i];
                    }
                }
            }
            out[p] = times(block + "attention.dense", mixed);
        }
        return out;
    }

    /** The first four entries of a head turn in pairs (0, 2) and (1, 3), the second pair ten times slower. */
    private static void rotate(double[] x, int start, int position) {
        double[] speeds = {1, 0.1};
        for (int i = 0; i < ROTATED / 2; i++) {
            double cos = Math.cos(position * speeds[i]);
            double sin = Math.sin(position * speeds[i]);
            double first = x[start + i];
            double second = x[start + i + ROTATED / 2];
            x[start + i] = first * cos - second * sin;
            x[start + i + ROTATED / 2] = second * cos + first * sin;
        }
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
        double[] bias = numbers(name + ".bias");
        double[] result = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            result[i] = (x[i] - mean) / Math.sqrt(variance + EPS) * weight[i] + bias[i];
        }
        return result;
    }

    private double[] times(String name, double[] x) {
        double[] weight = numbers(name + ".weight");
        double[] result = numbers(name + ".bias");
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
