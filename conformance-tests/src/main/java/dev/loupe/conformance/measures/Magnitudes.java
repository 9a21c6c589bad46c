package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import java.util.Arrays;

/** The magnitudes M in the table of tolerances, and the length of the reduction, for one application of an op. */
final class Magnitudes {

    /** The magnitude at each element of the output, and the number of terms summed for it. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Found(double[] values, long length) {}

    /** An application of an op, and what it should give. */
    private record Site(OpCase one, HostTensor expected, Oracle oracle) {
        HostTensor in(int index) {
            return one.inputs().get(index);
        }

        Found summed(long length) {
            return new Found(oracle.ofMagnitudes(one).toDoubleArray(), length);
        }
    }

    private static final OpTable<Site, Found> TABLE = new OpTable<Site, Found>()
            .line(
                    Op.Unary.class,
                    (op, at) -> new Found(unary(op.kind(), at.in(0).toDoubleArray()), 1))
            .line(Op.Reduce.class, (op, at) -> reduce(op, at.one(), at.expected(), at.oracle()))
            .line(Op.CumSum.class, (op, at) -> at.summed(at.in(0).shape().size(op.axis())))
            .line(Op.MatMul.class, (op, at) -> at.summed(at.in(0).shape().size(-1)))
            .line(Op.Linear.class, (op, at) -> at.summed(at.in(0).shape().size(-1) + 1))
            .line(
                    Op.ScatterAdd.class,
                    (op, at) -> at.summed(1 + at.in(2).shape().size(op.axis())))
            .line(Op.Softmax.class, (op, at) -> softmax(at.one(), at.expected(), op.axis(), false))
            .line(Op.LogSoftmax.class, (op, at) -> softmax(at.one(), at.expected(), op.axis(), true))
            .line(Op.Activation.class, (op, at) -> new Found(absolute(at.in(0)), 1))
            .line(Op.LayerNorm.class, (op, at) -> layerNorm(at.one(), op.eps()))
            .line(
                    Op.RmsNorm.class,
                    (op, at) ->
                            new Found(absolute(at.expected()), at.in(0).shape().size(-1)))
            .line(Op.ActivationGradient.class, (op, at) -> new Found(GradientMagnitudes.activation(at.one()), 1))
            .line(Op.SoftmaxGradient.class, (op, at) -> GradientMagnitudes.softmax(at.one(), op.axis(), false))
            .line(Op.LogSoftmaxGradient.class, (op, at) -> GradientMagnitudes.softmax(at.one(), op.axis(), true))
            .line(Op.NormGradient.class, (op, at) -> GradientMagnitudes.norm(at.one(), op))
            .line(Op.Rotate.class, (op, at) -> new Found(rotate(at.one()), 2))
            .line(Op.Attention.class, (op, at) -> attention(at.one(), op.scale()));

    private Magnitudes() {}

    /** The magnitudes of an application of an op; those of what it should give, where the op has no rule of its own. */
    static Found of(OpCase one, HostTensor expected, Oracle oracle) {
        Found found = TABLE.find(one.op(), new Site(one, expected, oracle));
        return found != null ? found : new Found(absolute(expected), 1);
    }

    private static double[] absolute(HostTensor tensor) {
        double[] values = tensor.toDoubleArray();
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.abs(values[i]);
        }
        return values;
    }

    private static double[] unary(Op.UnaryKind kind, double[] x) {
        boolean nearZero = kind == Op.UnaryKind.TANH || kind == Op.UnaryKind.ERF || kind == Op.UnaryKind.SIN;
        double[] result = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            result[i] = nearZero ? Math.min(1, Math.abs(x[i])) : 1;
        }
        return result;
    }

    private static Found reduce(Op.Reduce op, OpCase one, HostTensor expected, Oracle oracle) {
        long length = 1;
        for (int axis : op.axes()) {
            length *= one.inputs().get(0).shape().size(axis);
        }
        boolean product = op.kind() == Op.ReduceKind.PROD;
        double[] values =
                product ? absolute(expected) : oracle.ofMagnitudes(one).toDoubleArray();
        return new Found(values, length);
    }

    private static Found softmax(OpCase one, HostTensor expected, int axis, boolean logarithm) {
        double[] x = one.inputs().get(0).toDoubleArray();
        Shape shape = expected.shape();
        int length = (int) shape.size(axis);
        int inner = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            inner *= (int) shape.size(i);
        }
        double[] result = new double[x.length];
        for (int start = 0; start < x.length; start++) {
            if (start / inner % length != 0) {
                continue;
            }
            double max = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < length; i++) {
                max = Math.max(max, x[start + i * inner]);
            }
            for (int i = 0; i < length; i++) {
                int at = start + i * inner;
                double distance = Double.isFinite(x[at]) && Double.isFinite(max) ? Math.abs(x[at] - max) : 0;
                result[at] = logarithm
                        ? 1 + distance + (Double.isFinite(x[at]) ? Math.abs(x[at]) : 0)
                        : expected.getDouble(at) * (1 + distance);
            }
        }
        return new Found(result, length);
    }

    private static Found layerNorm(OpCase one, double eps) {
        double[] x = one.inputs().get(0).toDoubleArray();
        int length = (int) one.inputs().get(0).shape().size(-1);
        double[] weight =
                one.inputs().size() == 1 ? ones(length) : absolute(one.inputs().get(1));
        double[] bias = one.inputs().size() == 1
                ? new double[length]
                : absolute(one.inputs().get(2));
        double[] result = new double[x.length];
        for (int start = 0; start < x.length; start += length) {
            double mean = 0;
            double meanMagnitude = 0;
            for (int i = 0; i < length; i++) {
                mean += x[start + i] / length;
                meanMagnitude += Math.abs(x[start + i]) / length;
            }
            double variance = 0;
            for (int i = 0; i < length; i++) {
                variance += (x[start + i] - mean) * (x[start + i] - mean) / length;
            }
            double sigma = Math.sqrt(variance + eps);
            double condition = mean * mean / (variance + eps);
            for (int i = 0; i < length; i++) {
                double normal = Math.abs((x[start + i] - mean) / sigma);
                double shifted = (Math.abs(x[start + i]) + meanMagnitude) / sigma;
                result[start + i] = (shifted + normal * condition + normal) * weight[i] + bias[i];
            }
        }
        return new Found(result, length);
    }

    private static double[] ones(int length) {
        double[] result = new double[length];
        Arrays.fill(result, 1);
        return result;
    }

    private static double[] rotate(OpCase one) {
        HostTensor x = one.inputs().get(0);
        HostTensor cos = one.inputs().get(1);
        HostTensor sin = one.inputs().get(2);
        int width = (int) x.shape().size(3);
        int heads = (int) x.shape().size(2);
        int half = (int) cos.shape().size(2);
        double[] result = new double[(int) x.shape().elements()];
        for (int at = 0; at < result.length; at++) {
            int i = at % width;
            int row = at / width / heads;
            if (i >= 2 * half) {
                continue;
            }
            int partner = i < half ? at + half : at - half;
            double c = cos.getDouble(row * half + i % half);
            double s = sin.getDouble(row * half + i % half);
            result[at] = Math.abs(x.getDouble(at) * c) + Math.abs(x.getDouble(partner) * s);
        }
        return result;
    }

    /** Σ p·|v|·(1 + S) for each query and head. */
    private static Found attention(OpCase one, double scale) {
        HostTensor q = one.inputs().get(0);
        HostTensor k = one.inputs().get(1);
        HostTensor v = one.inputs().get(2);
        HostTensor mask = one.inputs().get(3);
        int batch = (int) q.shape().size(0);
        int queries = (int) q.shape().size(1);
        int heads = (int) q.shape().size(2);
        int depth = (int) q.shape().size(3);
        int keys = (int) k.shape().size(1);
        int kvHeads = (int) k.shape().size(2);
        int width = (int) v.shape().size(3);
        double[] result = new double[batch * queries * heads * width];
        for (int row = 0; row < batch * queries * heads; row++) {
            int head = row % heads;
            int query = row / heads % queries;
            int b = row / heads / queries;
            double[] pattern = new double[keys];
            double worst = 0;
            double max = Double.NEGATIVE_INFINITY;
            for (int t = 0; t < keys; t++) {
                double score = 0;
                double magnitude = 0;
                int key = ((b * keys + t) * kvHeads + head / (heads / kvHeads)) * depth;
                for (int d = 0; d < depth; d++) {
                    double term = scale * q.getDouble(row * depth + d) * k.getDouble(key + d);
                    score += term;
                    magnitude += Math.abs(term);
                }
                boolean visible = mask.getDouble((b * queries + query) * keys + t) != 0;
                pattern[t] = visible ? score : Double.NEGATIVE_INFINITY;
                worst = visible ? Math.max(worst, magnitude) : worst;
                max = Math.max(max, pattern[t]);
            }
            double sum = 0;
            for (int t = 0; t < keys; t++) {
                pattern[t] = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(pattern[t] - max);
                sum += pattern[t];
            }
            for (int e = 0; e < width && sum > 0; e++) {
                for (int t = 0; t < keys; t++) {
                    int value = ((b * keys + t) * kvHeads + head / (heads / kvHeads)) * width;
                    result[row * width + e] += pattern[t] / sum * Math.abs(v.getDouble(value + e)) * (1 + worst);
                }
            }
        }
        return new Found(result, keys + depth);
    }
}
