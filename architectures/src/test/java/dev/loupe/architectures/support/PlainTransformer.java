package dev.loupe.architectures.support;

import dev.loupe.array.HostTensor;
import java.util.Arrays;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntToDoubleFunction;

/**
 * Transformers written down once more, loop by loop and in double precision, straight from the checkpoint's
 * tensors: what the library's graphs are held against where there is no golden.
 */
public final class PlainTransformer {

    private final Map<String, HostTensor> tensors;
    private final int heads;
    private final int kvHeads;
    private final int headWidth;
    private final double eps;
    private final DoubleUnaryOperator activation;

    /** Divides the scores of a layer. */
    private final IntToDoubleFunction scoreDivisor;

    private final int window;
    /** Radians per position; empty without rotary positions. */
    private final double[] frequencies;

    private final double rotaryScaling;

    private PlainTransformer(
            Map<String, HostTensor> tensors,
            int heads,
            int kvHeads,
            int headWidth,
            double eps,
            DoubleUnaryOperator activation,
            IntToDoubleFunction scoreDivisor,
            int window,
            double[] frequencies,
            double rotaryScaling) {
        this.tensors = tensors;
        this.heads = heads;
        this.kvHeads = kvHeads;
        this.headWidth = headWidth;
        this.eps = eps;
        this.activation = activation;
        this.scoreDivisor = scoreDivisor;
        this.window = window;
        this.frequencies = frequencies;
        this.rotaryScaling = rotaryScaling;
    }

    /** GPT-2. */
    public static double[][] gpt2(
            RandomCheckpoint checkpoint, long[] ids, DoubleUnaryOperator activation, IntToDoubleFunction scoreDivisor) {
        Map<String, Object> config = checkpoint.config();
        int heads = (int) config.get("n_head");
        double eps = ((Number) config.getOrDefault("layer_norm_epsilon", 1e-5)).doubleValue();
        PlainTransformer plain = new PlainTransformer(
                checkpoint.tensors(),
                heads,
                heads,
                (int) config.get("n_embd") / heads,
                eps,
                activation,
                scoreDivisor,
                Integer.MAX_VALUE,
                new double[0],
                1);
        return plain.runGpt2(ids, (int) config.get("n_layer"));
    }

    /** LLaMA and what is built like it. */
    public static double[][] llama(
            RandomCheckpoint checkpoint,
            long[] ids,
            DoubleUnaryOperator activation,
            int window,
            double[] frequencies,
            double rotaryScaling) {
        Map<String, Object> config = checkpoint.config();
        int headWidth = (int) config.get("head_dim");
        double eps = ((Number) config.getOrDefault("rms_norm_eps", 1e-6)).doubleValue();
        PlainTransformer plain = new PlainTransformer(
                checkpoint.tensors(),
                (int) config.get("num_attention_heads"),
                (int) config.get("num_key_value_heads"),
                headWidth,
                eps,
                activation,
                layer -> Math.sqrt(headWidth),
                window,
                frequencies,
                rotaryScaling);
        return plain.runLlama(ids, (int) config.get("num_hidden_layers"));
    }

    private double[][] runGpt2(long[] ids, int layers) {
        double[][] tokens = matrix("transformer.wte.weight");
        double[][] positions = matrix("transformer.wpe.weight");
        double[][] x = new double[ids.length][];
        for (int p = 0; p < ids.length; p++) {
            x[p] = plus(tokens[(int) ids[p]], positions[p]);
        }
        for (int layer = 0; layer < layers; layer++) {
            String block = "transformer.h." + layer + ".";
            double[][] attention = new double[ids.length][];
            double[][] joint = new double[ids.length][];
            for (int p = 0; p < ids.length; p++) {
                joint[p] = conv(layerNorm(x[p], block + "ln_1"), block + "attn.c_attn");
            }
            int width = heads * headWidth;
            double[][] z =
                    attend(layer, part(joint, 0, width), part(joint, width, width), part(joint, 2 * width, width));
            for (int p = 0; p < ids.length; p++) {
                attention[p] = conv(z[p], block + "attn.c_proj");
                x[p] = plus(x[p], attention[p]);
                double[] hidden = conv(layerNorm(x[p], block + "ln_2"), block + "mlp.c_fc");
                for (int i = 0; i < hidden.length; i++) {
                    hidden[i] = activation.applyAsDouble(hidden[i]);
                }
                x[p] = plus(x[p], conv(hidden, block + "mlp.c_proj"));
            }
        }
        double[][] unembedding = tensors.containsKey("lm_head.weight") ? matrix("lm_head.weight") : tokens;
        double[][] logits = new double[ids.length][];
        for (int p = 0; p < ids.length; p++) {
            logits[p] = rowsTimes(unembedding, layerNorm(x[p], "transformer.ln_f"));
        }
        return logits;
    }

    private double[][] runLlama(long[] ids, int layers) {
        double[][] tokens = matrix("model.embed_tokens.weight");
        double[][] x = new double[ids.length][];
        for (int p = 0; p < ids.length; p++) {
            x[p] = tokens[(int) ids[p]].clone();
        }
        for (int layer = 0; layer < layers; layer++) {
            String block = "model.layers." + layer + ".";
            double[][] q = new double[ids.length][];
            double[][] k = new double[ids.length][];
            double[][] v = new double[ids.length][];
            for (int p = 0; p < ids.length; p++) {
                double[] normal = rmsNorm(x[p], block + "input_layernorm.weight");
                q[p] = rotated(linear(normal, block + "self_attn.q_proj"), p);
                k[p] = rotated(linear(normal, block + "self_attn.k_proj"), p);
                v[p] = linear(normal, block + "self_attn.v_proj");
            }
            double[][] z = attend(layer, q, k, v);
            for (int p = 0; p < ids.length; p++) {
                x[p] = plus(x[p], linear(z[p], block + "self_attn.o_proj"));
                double[] normal = rmsNorm(x[p], block + "post_attention_layernorm.weight");
                double[] hidden = linear(normal, block + "mlp.gate_proj");
                double[] up = linear(normal, block + "mlp.up_proj");
                for (int i = 0; i < hidden.length; i++) {
                    hidden[i] = activation.applyAsDouble(hidden[i]) * up[i];
                }
                x[p] = plus(x[p], linear(hidden, block + "mlp.down_proj"));
            }
        }
        double[][] unembedding = tensors.containsKey("lm_head.weight") ? matrix("lm_head.weight") : tokens;
        double[][] logits = new double[ids.length][];
        for (int p = 0; p < ids.length; p++) {
            logits[p] = rowsTimes(unembedding, rmsNorm(x[p], "model.norm.weight"));
        }
        return logits;
    }

    private double[][] attend(int layer, double[][] q, double[][] k, double[][] v) {
        double[][] z = new double[q.length][heads * headWidth];
        for (int head = 0; head < heads; head++) {
            int kv = head / (heads / kvHeads);
            for (int to = 0; to < q.length; to++) {
                double[] weights = new double[to + 1];
                double sum = 0;
                for (int from = Math.max(0, to - window + 1); from <= to; from++) {
                    double score = 0;
                    for (int i = 0; i < headWidth; i++) {
                        score += q[to][head * headWidth + i] * k[from][kv * headWidth + i];
                    }
                    weights[from] = Math.exp(score / scoreDivisor.applyAsDouble(layer));
                    sum += weights[from];
                }
                for (int from = 0; from <= to; from++) {
                    for (int i = 0; i < headWidth; i++) {
                        z[to][head * headWidth + i] += weights[from] / sum * v[from][kv * headWidth + i];
                    }
                }
            }
        }
        return z;
    }

    // Entry i of a head turns with entry i + half.
    private double[] rotated(double[] x, int position) {
        double[] turned = x.clone();
        int half = frequencies.length;
        for (int start = 0; start < x.length; start += headWidth) {
            for (int i = 0; i < half; i++) {
                double cos = Math.cos(position * frequencies[i]) * rotaryScaling;
                double sin = Math.sin(position * frequencies[i]) * rotaryScaling;
                turned[start + i] = x[start + i] * cos - x[start + i + half] * sin;
                turned[start + i + half] = x[start + i + half] * cos + x[start + i] * sin;
            }
        }
        return turned;
    }

    private double[] layerNorm(double[] x, String name) {
        double mean = 0;
        for (double element : x) {
            mean += element / x.length;
        }
        double variance = 0;
        for (double element : x) {
            variance += (element - mean) * (element - mean) / x.length;
        }
        double[] weight = vector(name + ".weight");
        double[] bias = vector(name + ".bias");
        double[] normal = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            normal[i] = (x[i] - mean) / Math.sqrt(variance + eps) * weight[i] + bias[i];
        }
        return normal;
    }

    private double[] rmsNorm(double[] x, String name) {
        double meanSquare = 0;
        for (double element : x) {
            meanSquare += element * element / x.length;
        }
        double[] weight = vector(name);
        double[] normal = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            normal[i] = x[i] / Math.sqrt(meanSquare + eps) * weight[i];
        }
        return normal;
    }

    /** {@code x·W + b} with W {@code [in, out]}, as GPT-2 stores it. */
    private double[] conv(double[] x, String name) {
        double[][] weight = matrix(name + ".weight");
        double[] result = vector(name + ".bias").clone();
        for (int in = 0; in < x.length; in++) {
            for (int out = 0; out < result.length; out++) {
                result[out] += x[in] * weight[in][out];
            }
        }
        return result;
    }

    /** {@code W·x (+ b)} with W {@code [out, in]}, as PyTorch's linear layers store it. */
    private double[] linear(double[] x, String name) {
        double[] result = rowsTimes(matrix(name + ".weight"), x);
        return tensors.containsKey(name + ".bias") ? plus(result, vector(name + ".bias")) : result;
    }

    private static double[] rowsTimes(double[][] rows, double[] x) {
        double[] result = new double[rows.length];
        for (int row = 0; row < rows.length; row++) {
            for (int i = 0; i < x.length; i++) {
                result[row] += rows[row][i] * x[i];
            }
        }
        return result;
    }

    private static double[] plus(double[] a, double[] b) {
        double[] sum = a.clone();
        for (int i = 0; i < a.length; i++) {
            sum[i] += b[i];
        }
        return sum;
    }

    private static double[][] part(double[][] rows, int start, int count) {
        double[][] parts = new double[rows.length][];
        for (int row = 0; row < rows.length; row++) {
            parts[row] = Arrays.copyOfRange(rows[row], start, start + count);
        }
        return parts;
    }

    private double[] vector(String name) {
        return tensors.get(name).toDoubleArray();
    }

    private double[][] matrix(String name) {
        HostTensor tensor = tensors.get(name);
        double[] flat = tensor.toDoubleArray();
        int columns = (int) tensor.shape().size(1);
        double[][] rows = new double[(int) tensor.shape().size(0)][];
        for (int row = 0; row < rows.length; row++) {
            rows[row] = Arrays.copyOfRange(flat, row * columns, (row + 1) * columns);
        }
        return rows;
    }
}
