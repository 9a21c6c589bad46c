package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.graph.Op;

/** The magnitudes of the operations that derivatives are made of. */
final class GradientMagnitudes {

    private GradientMagnitudes() {}

    public static double[] activation(OpCase one) {
        double[] g = one.inputs().get(0).toDoubleArray();
        double[] x = one.inputs().get(1).toDoubleArray();
        double[] result = new double[g.length];
        for (int i = 0; i < g.length; i++) {
            result[i] = Math.abs(g[i]) * (1 + Math.pow(Math.min(Math.abs(x[i]), 8), 3) / 8);
        }
        return result;
    }

    public static Magnitudes.Found softmax(OpCase one, int axis, boolean logarithm) {
        double[] g = one.inputs().get(0).toDoubleArray();
        double[] y = one.inputs().get(1).toDoubleArray();
        Shape shape = one.inputs().get(0).shape();
        int length = (int) shape.size(axis);
        int inner = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            inner *= (int) shape.size(i);
        }
        double[] sums = new double[g.length];
        for (int i = 0; i < g.length; i++) {
            sums[row(i, inner, length)] += Math.abs(logarithm ? g[i] : g[i] * y[i]);
        }
        double[] result = new double[g.length];
        for (int i = 0; i < g.length; i++) {
            double sum = sums[row(i, inner, length)];
            result[i] = logarithm
                    ? Math.abs(g[i]) + Math.exp(y[i]) * (1 + Math.abs(y[i])) * sum
                    : Math.abs(y[i]) * (Math.abs(g[i]) + sum);
        }
        return new Magnitudes.Found(result, length);
    }

    private static int row(int at, int inner, int length) {
        return at / (inner * length) * inner + at % inner;
    }

    public static Magnitudes.Found norm(OpCase one, Op.NormGradient op) {
        HostTensor slopes = one.inputs().get(0);
        double[] g = slopes.toDoubleArray();
        double[] x = one.inputs().get(1).toDoubleArray();
        int length = (int) slopes.shape().size(-1);
        double[] result = new double[g.length];
        for (int start = 0; start < g.length; start += length) {
            double mean = 0;
            double meanMagnitude = 0;
            double meanSlope = 0;
            for (int i = start; i < start + length; i++) {
                mean += op.centres() ? x[i] / length : 0;
                meanMagnitude += Math.abs(x[i]) / length;
                meanSlope += Math.abs(g[i]) / length;
            }
            double variance = op.eps();
            for (int i = start; i < start + length; i++) {
                variance += (x[i] - mean) * (x[i] - mean) / length;
            }
            double sigma = Math.sqrt(variance);
            double along = 0;
            for (int i = start; i < start + length; i++) {
                along += Math.abs(g[i] * (x[i] - mean)) / sigma / length;
            }
            double condition = mean * mean / variance;
            for (int i = start; i < start + length; i++) {
                double normal = Math.abs(x[i] - mean) / sigma;
                double shifted = (Math.abs(x[i]) + meanMagnitude) / sigma * (1 + condition);
                result[i] = (Math.abs(g[i]) + meanSlope + (normal + shifted) * along) / sigma;
            }
        }
        return new Magnitudes.Found(result, length);
    }
}
