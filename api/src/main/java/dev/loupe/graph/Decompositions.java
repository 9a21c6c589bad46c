package dev.loupe.graph;

import java.util.List;
import org.apiguardian.api.API;

/** The definitions of the composite ops, in terms of other ops. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Decompositions {

    /** Where the definition is written down, and its operands. */
    private record Site(GraphBuilder b, List<Value> in) {
        Value in(int index) {
            return in.get(index);
        }
    }

    private static final OpTable<Site, Value> TABLE = new OpTable<Site, Value>()
            .line(Op.Softmax.class, (op, at) -> softmax(at.b(), at.in(0), op.axis()))
            .line(Op.LogSoftmax.class, (op, at) -> logSoftmax(at.b(), at.in(0), op.axis()))
            .line(Op.Activation.class, (op, at) -> activation(at.b(), at.in(0), op.kind()))
            .line(Op.Linear.class, (op, at) -> linear(at.b(), at.in()))
            .line(Op.LayerNorm.class, Decompositions::layerNorm)
            .line(Op.RmsNorm.class, Decompositions::rmsNorm)
            .line(Op.Rotate.class, (op, at) -> rotate(at.b(), at.in(0), at.in(1), at.in(2)))
            .line(Op.Attention.class, (op, at) -> attention(at.b(), at.in(), op.scale()))
            .line(Op.SliceScatter.class, (op, at) -> sliceScatter(at.b(), at.in(0), at.in(1), op))
            .line(
                    Op.ActivationGradient.class,
                    (op, at) -> at.b().mul(at.in(0), activationSlope(at.b(), at.in(1), op.kind())))
            .line(Op.SoftmaxGradient.class, Decompositions::softmaxGradient)
            .line(Op.LogSoftmaxGradient.class, Decompositions::logSoftmaxGradient)
            .line(Op.NormGradient.class, (op, at) -> normGradient(at.b(), at.in(0), at.in(1), op));

    private Decompositions() {}

    /**
     * Adds the ops that define a composite op to a graph. Composite ops among them have decompositions of
     * their own.
     *
     * @throws IllegalArgumentException if the op is primitive or the inputs don't fit it
     */
    public static Value decompose(Op op, GraphBuilder b, List<Value> in) {
        op.infer(in.stream().map(Value::type).toList());
        if (!TABLE.has(op)) {
            throw new IllegalArgumentException(op + " is a primitive op: it has no decomposition");
        }
        return TABLE.apply(op, new Site(b, in));
    }

    /** {@code sqrt(mean(x²) + eps)} over the last axis, which is kept with size 1. */
    public static Value rootMeanSquare(GraphBuilder b, Value x, double eps) {
        Value meanSquare = b.reduce(Op.ReduceKind.MEAN, b.mul(x, x), -1);
        return b.unary(Op.UnaryKind.SQRT, b.add(meanSquare, b.scalar(eps, x)));
    }

    private static Value layerNorm(Op.LayerNorm op, Site at) {
        GraphBuilder b = at.b();
        Value x = b.sub(at.in(0), b.reduce(Op.ReduceKind.MEAN, at.in(0), -1));
        Value normal = b.div(x, rootMeanSquare(b, x, op.eps()));
        return at.in().size() == 1 ? normal : b.add(b.mul(normal, at.in(1)), at.in(2));
    }

    private static Value rmsNorm(Op.RmsNorm op, Site at) {
        GraphBuilder b = at.b();
        Value normal = b.div(at.in(0), rootMeanSquare(b, at.in(0), op.eps()));
        return at.in().size() == 1 ? normal : b.mul(normal, at.in(1));
    }

    private static Value softmaxGradient(Op.SoftmaxGradient op, Site at) {
        GraphBuilder b = at.b();
        Value share = b.reduce(Op.ReduceKind.SUM, b.mul(at.in(0), at.in(1)), op.axis());
        return b.mul(at.in(1), b.sub(at.in(0), share));
    }

    private static Value logSoftmaxGradient(Op.LogSoftmaxGradient op, Site at) {
        GraphBuilder b = at.b();
        Value sum = b.reduce(Op.ReduceKind.SUM, at.in(0), op.axis());
        return b.sub(at.in(0), b.mul(b.unary(Op.UnaryKind.EXP, at.in(1)), sum));
    }

    // The largest element is subtracted so that exp can't overflow. In a row that is -inf throughout, 0 is
    // subtracted and the sum 0 is replaced by 1, so that the row gives zeros; a NaN runs through max.
    private static Value softmax(GraphBuilder b, Value x, int axis) {
        Value exponentials = b.unary(Op.UnaryKind.EXP, b.sub(x, finiteMax(b, x, axis)));
        Value sum = b.reduce(Op.ReduceKind.SUM, exponentials, axis);
        Value empty = b.binary(Op.BinaryKind.EQ, sum, b.scalar(0, x));
        return b.div(exponentials, b.where(empty, b.scalar(1, x), sum));
    }

    private static Value finiteMax(GraphBuilder b, Value x, int axis) {
        Value max = b.reduce(Op.ReduceKind.MAX, x, axis);
        Value allMasked = b.binary(Op.BinaryKind.EQ, max, b.scalar(Double.NEGATIVE_INFINITY, x));
        return b.where(allMasked, b.scalar(0, x), max);
    }

    private static Value logSoftmax(GraphBuilder b, Value x, int axis) {
        Value shifted = b.sub(x, finiteMax(b, x, axis));
        Value sum = b.reduce(Op.ReduceKind.SUM, b.unary(Op.UnaryKind.EXP, shifted), axis);
        return b.sub(shifted, b.unary(Op.UnaryKind.LOG, sum));
    }

    private static Value activation(GraphBuilder b, Value x, Op.ActivationKind kind) {
        return switch (kind) {
            case GELU -> {
                Value erf = b.unary(Op.UnaryKind.ERF, b.mul(x, b.scalar(Math.sqrt(0.5), x)));
                yield b.mul(b.mul(x, b.scalar(0.5, x)), b.add(erf, b.scalar(1, x)));
            }
            case GELU_TANH -> {
                Value cube = b.mul(b.mul(x, x), x);
                Value inner = b.mul(b.add(x, b.mul(cube, b.scalar(0.044715, x))), b.scalar(Math.sqrt(2 / Math.PI), x));
                Value tanh = b.unary(Op.UnaryKind.TANH, inner);
                yield b.mul(b.mul(x, b.scalar(0.5, x)), b.add(tanh, b.scalar(1, x)));
            }
            case QUICK_GELU -> b.mul(x, b.unary(Op.UnaryKind.SIGMOID, b.mul(x, b.scalar(1.702, x))));
            case SILU -> b.mul(x, b.unary(Op.UnaryKind.SIGMOID, x));
        };
    }

    /** The derivative of an activation function. */
    private static Value activationSlope(GraphBuilder b, Value x, Op.ActivationKind kind) {
        return switch (kind) {
            case GELU -> {
                // Φ(x) + x·φ(x)
                Value erf = b.unary(Op.UnaryKind.ERF, b.mul(x, b.scalar(Math.sqrt(0.5), x)));
                Value below = b.mul(b.add(erf, b.scalar(1, x)), b.scalar(0.5, x));
                Value bell = b.unary(Op.UnaryKind.EXP, b.mul(b.mul(x, x), b.scalar(-0.5, x)));
                yield b.add(below, b.mul(b.mul(x, bell), b.scalar(1 / Math.sqrt(2 * Math.PI), x)));
            }
            case GELU_TANH -> {
                // With t = tanh(u): (1 + t)/2 + x·(1 - t²)·u'/2
                Value square = b.mul(x, x);
                Value growth = b.add(b.mul(square, b.scalar(0.044715, x)), b.scalar(1, x));
                Value t = b.unary(Op.UnaryKind.TANH, b.mul(b.mul(x, growth), b.scalar(Math.sqrt(2 / Math.PI), x)));
                Value rise = b.add(
                        b.mul(square, b.scalar(3 * 0.044715 * Math.sqrt(0.5 / Math.PI), x)),
                        b.scalar(Math.sqrt(0.5 / Math.PI), x));
                Value bend = b.mul(b.mul(x, rise), b.sub(b.scalar(1, x), b.mul(t, t)));
                yield b.add(b.mul(b.add(t, b.scalar(1, x)), b.scalar(0.5, x)), bend);
            }
            case QUICK_GELU -> sigmoidSlope(b, x, 1.702);
            case SILU -> sigmoidSlope(b, x, 1);
        };
    }

    // Of x·s with s = sigmoid(ax): s + a·x·s·(1 - s)
    private static Value sigmoidSlope(GraphBuilder b, Value x, double a) {
        Value scaled = a == 1 ? x : b.mul(x, b.scalar(a, x));
        Value s = b.unary(Op.UnaryKind.SIGMOID, scaled);
        return b.add(s, b.mul(b.mul(scaled, s), b.sub(b.scalar(1, x), s)));
    }

    private static Value normGradient(GraphBuilder b, Value g, Value x, Op.NormGradient op) {
        Value spread = op.centres() ? b.sub(x, b.reduce(Op.ReduceKind.MEAN, x, -1)) : x;
        Value scale = rootMeanSquare(b, spread, op.eps());
        Value normal = b.div(spread, scale);
        Value along = b.mul(normal, b.reduce(Op.ReduceKind.MEAN, b.mul(g, normal), -1));
        Value rest = b.sub(op.centres() ? b.sub(g, b.reduce(Op.ReduceKind.MEAN, g, -1)) : g, along);
        return b.div(rest, scale);
    }

    private static Value linear(GraphBuilder b, List<Value> in) {
        Value x = in.get(0);
        if (x.type().rank() >= 2) {
            return b.add(b.matmul(x, in.get(1)), in.get(2));
        }
        Value row = b.matmul(b.unsqueeze(x, 0), in.get(1));
        return b.add(b.merge(row, 0, 2), in.get(2));
    }

    private static Value rotate(GraphBuilder b, Value x, Value cos, Value sin) {
        long half = cos.type().dim(2).value();
        long width = x.type().dim(3).value();
        Value c = b.unsqueeze(cos, 2);
        Value s = b.unsqueeze(sin, 2);
        Value first = b.slice(x, 3, 0, half);
        Value second = b.slice(x, 3, half, 2 * half);
        Value turnedFirst = b.sub(b.mul(first, c), b.mul(second, s));
        Value turnedSecond = b.add(b.mul(second, c), b.mul(first, s));
        return 2 * half == width
                ? b.concat(3, turnedFirst, turnedSecond)
                : b.concat(3, turnedFirst, turnedSecond, b.slice(x, 3, 2 * half, width));
    }

    private static Value attention(GraphBuilder b, List<Value> in, double scale) {
        Value q = in.get(0);
        Value raw = attentionScores(b, q, in.get(1));
        Value scores = b.mul(raw, b.scalar(scale, q));
        Value masked = b.where(in.get(3), scores, b.scalar(Double.NEGATIVE_INFINITY, q));
        return weightedValues(b, b.softmax(masked, -1), in.get(2));
    }

    /**
     * Unscaled attention scores.
     *
     * @param q {@code [b, p, h, d]}
     * @param k {@code [b, t, kv, d]}; query head i reads key head {@code i / (h/kv)}
     * @return {@code [b, h, p, t]}
     */
    public static Value attentionScores(GraphBuilder b, Value q, Value k) {
        long heads = q.type().dim(2).value();
        long kvHeads = k.type().dim(2).value();
        Value queries = b.transpose(q, 0, 2, 1, 3);
        Value keys = b.transpose(k, 0, 2, 3, 1);
        if (heads == kvHeads) {
            return b.matmul(queries, keys);
        }
        Value grouped = b.split(queries, 1, kvHeads, heads / kvHeads);
        return b.merge(b.matmul(grouped, b.unsqueeze(keys, 2)), 1, 2);
    }

    /**
     * Values averaged by an attention pattern.
     *
     * @param pattern {@code [b, h, p, t]}
     * @param v {@code [b, t, kv, e]}
     * @return {@code [b, p, h, e]}
     */
    public static Value weightedValues(GraphBuilder b, Value pattern, Value v) {
        long heads = pattern.type().dim(1).value();
        long kvHeads = v.type().dim(2).value();
        Value values = b.transpose(v, 0, 2, 1, 3);
        if (heads == kvHeads) {
            return b.transpose(b.matmul(pattern, values), 0, 2, 1, 3);
        }
        Value grouped = b.split(pattern, 1, kvHeads, heads / kvHeads);
        Value product = b.merge(b.matmul(grouped, b.unsqueeze(values, 2)), 1, 2);
        return b.transpose(product, 0, 2, 1, 3);
    }

    private static Value sliceScatter(GraphBuilder b, Value data, Value update, Op.SliceScatter op) {
        long end = op.start() + update.type().dim(op.axis()).value();
        Value before = b.slice(data, op.axis(), 0, op.start());
        Value after = b.slice(data, op.axis(), end, Op.Slice.TO_END);
        return b.concat(op.axis(), before, update, after);
    }
}
