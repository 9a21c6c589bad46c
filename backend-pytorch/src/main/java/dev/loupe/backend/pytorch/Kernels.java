package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.OpTable;
import java.nio.ByteBuffer;
import java.util.List;

/** Each op in terms of libtorch's functions. What is made on the way is closed on the way. */
final class Kernels {

    private static final long FUSED_SCORES = 160 * 160;

    /** Up to this many elements, comparing them all is cheaper than getting at the memory. */
    private static final long FEW = 64;

    private static final OpTable<Operands, PtNDArray> TABLE = new OpTable<Operands, PtNDArray>()
            .line(Op.Binary.class, (op, at) -> Torch.binary(op.kind(), at.in(0), at.in(1)))
            .line(Op.Unary.class, (op, at) -> unary(at.on(), op.kind(), at.in(0)))
            .line(Op.MatMul.class, (op, at) -> Torch.matmul(at.in(0), at.in(1)))
            .line(Op.Reduce.class, (op, at) -> reduce(at.on(), op, at.in(0)))
            .line(Op.ArgReduce.class, Kernels::argReduce)
            .line(Op.CumSum.class, Kernels::cumSum)
            .line(Op.ScatterAdd.class, (op, at) -> at.on().call("scatter_add", at.in(0), op.axis(), at.in(1), at.in(2)))
            .line(Op.Linear.class, Kernels::linear)
            .line(Op.LayerNorm.class, Kernels::layerNorm)
            .line(Op.RmsNorm.class, Kernels::rmsNorm)
            .line(Op.Softmax.class, (op, at) -> softmax(at.on(), at.in(0), op.axis()))
            .line(Op.LogSoftmax.class, Kernels::logSoftmax)
            .line(Op.Activation.class, Kernels::activation)
            .line(Op.Rotate.class, (op, at) -> at.on().call("rotate", at.in(0), at.in(1), at.in(2)))
            .line(Op.Attention.class, Kernels::attention)
            .line(Op.ActivationGradient.class, Kernels::activationGradient)
            .line(Op.SoftmaxGradient.class, (op, at) -> at.on().call("softmax_gradient", at.in(0), at.in(1), op.axis()))
            .line(
                    Op.LogSoftmaxGradient.class,
                    (op, at) -> at.on().call("log_softmax_gradient", at.in(0), at.in(1), op.axis()))
            .line(Op.NormGradient.class, Kernels::normGradient);

    private static final OpTable<Operands, List<PtNDArray>> SEVERAL = new OpTable<Operands, List<PtNDArray>>()
            .line(
                    Op.TopK.class,
                    (op, at) -> at.on()
                            .callForSeveral(
                                    at.on().isCpu() ? "top_k" : "top_k_unasked",
                                    at.in(0),
                                    op.k(),
                                    op.axis(),
                                    op.largest()));

    private Kernels() {}

    /** Runs an op. */
    static List<PtNDArray> run(TorchDevice on, Op op, PtNDArray[] in) {
        Operands at = new Operands(on, in);
        List<PtNDArray> moved = TorchMovement.runForSeveral(op, at);
        if (moved != null) {
            return moved;
        }
        return SEVERAL.has(op) ? SEVERAL.apply(op, at) : List.of(runForOne(op, at));
    }

    /** Runs an op that has one output. */
    static PtNDArray runForOne(TorchDevice on, Op op, PtNDArray[] in) {
        return runForOne(op, new Operands(on, in));
    }

    private static PtNDArray runForOne(Op op, Operands at) {
        PtNDArray moved = TorchMovement.run(op, at);
        if (moved != null) {
            return moved;
        }
        PtNDArray computed = TABLE.find(op, at);
        if (computed == null) {
            throw new IllegalArgumentException("The backend 'pytorch' doesn't know the op " + op);
        }
        return computed;
    }

    private static PtNDArray argReduce(Op.ArgReduce op, Operands at) {
        return op.largest()
                ? Torch.argMax(at.in(0), op.axis(), op.keepDims())
                : Torch.argMin(at.in(0), op.axis(), op.keepDims());
    }

    private static PtNDArray cumSum(Op.CumSum op, Operands at) {
        return asBefore(
                at.on(),
                at.in(0),
                op.reverse()
                        ? at.on().call("cumsum_in_reverse", at.in(0), op.axis())
                        : Torch.cumSum(at.in(0), op.axis()));
    }

    private static PtNDArray linear(Op.Linear op, Operands at) {
        DataType type = at.in(0).getDataType();
        // On a GPU the sum with the bias is part of the product's kernel.
        return at.on().isCpu() && (type.equals(DataType.FLOAT32) || type.equals(DataType.FLOAT64))
                ? Torch.linear(at.in(0), at.in(1), at.in(2))
                : at.on().call("linear", at.in(0), at.in(1), at.in(2));
    }

    private static PtNDArray layerNorm(Op.LayerNorm op, Operands at) {
        return at.in().length == 1
                ? at.on().call("layer_norm", at.in(0), op.eps())
                : Torch.layerNorm(at.in(0), at.sizes(1)[0], at.in(1), at.in(2), op.eps());
    }

    private static PtNDArray rmsNorm(Op.RmsNorm op, Operands at) {
        return at.in().length == 1
                ? at.on().call("rms_norm", at.in(0), op.eps())
                : at.on().call("rms_norm_weighted", at.in(0), at.in(1), op.eps());
    }

    private static PtNDArray logSoftmax(Op.LogSoftmax op, Operands at) {
        return TorchTypes.isBfloat16(at.in(0))
                ? at.on().call("log_softmax", at.in(0), op.axis())
                : Torch.logSoftmax(at.in(0), op.axis());
    }

    private static PtNDArray activation(Op.Activation op, Operands at) {
        return switch (op.kind()) {
            case GELU -> Torch.gelu(at.in(0));
            case GELU_TANH -> at.on().call("gelu_tanh", at.in(0));
            case QUICK_GELU -> at.on().call("quick_gelu", at.in(0));
            case SILU -> at.on().call("silu", at.in(0));
        };
    }

    private static PtNDArray activationGradient(Op.ActivationGradient op, Operands at) {
        return switch (op.kind()) {
            case GELU -> at.on().call("gelu_gradient", at.in(0), at.in(1), false);
            case GELU_TANH -> at.on().call("gelu_gradient", at.in(0), at.in(1), true);
            case QUICK_GELU -> at.on().call("quick_gelu_gradient", at.in(0), at.in(1));
            case SILU -> at.on().call("silu_gradient", at.in(0), at.in(1));
        };
    }

    private static PtNDArray normGradient(Op.NormGradient op, Operands at) {
        return at.on().call(op.centres() ? "layer_norm_gradient" : "rms_norm_gradient", at.in(0), at.in(1), op.eps());
    }

    private static PtNDArray attention(Op.Attention op, Operands at) {
        if (!at.on().isCpu()) {
            PtNDArray zero = at.on().scalar(TorchTypes.of(at.in(0)), 0);
            return at.on().call("attention_unasked", at.in(0), at.in(1), at.in(2), at.in(3), op.scale(), zero);
        }
        boolean fused = fuses(at.in(0), at.in(1));
        // Products as small as these are slower in 16 bits: oneDNN prepares itself anew for every number of keys.
        boolean wide = !fused && TorchTypes.of(at.in(0)).isSixteenBits();
        return at.on().call("attention", at.in(0), at.in(1), at.in(2), at.in(3), op.scale(), fused, wide);
    }

    /**
     * Whether libtorch's fused attention is the faster way. On a GPU it always is, on a CPU for long sequences only: measured with 12
     * heads of 64, a third slower at 64 positions, even at 130, up to twice as fast at 512.
     */
    private static boolean fuses(PtNDArray q, PtNDArray k) {
        return q.getShape().get(1) * k.getShape().get(1) >= FUSED_SCORES;
    }

    private static PtNDArray unary(TorchDevice on, UnaryKind kind, PtNDArray x) {
        return switch (kind) {
            case RECIPROCAL -> Torch.binary(Op.BinaryKind.DIV, one(on, x), x);
            case RSQRT -> {
                try (PtNDArray root = Torch.unary(UnaryKind.SQRT, x)) {
                    yield Torch.binary(Op.BinaryKind.DIV, one(on, x), root);
                }
            }
            case SIGN -> sign(x);
            default -> Torch.unary(kind, x);
        };
    }

    private static PtNDArray one(TorchDevice on, PtNDArray x) {
        return on.scalar(TorchTypes.of(x), 1);
    }

    // libtorch's sign of NaN is 0.
    private static PtNDArray sign(PtNDArray x) {
        if (!TorchTypes.of(x).isFloating()) {
            return Torch.unary(UnaryKind.SIGN, x);
        }
        try (PtNDArray sign = Torch.unary(UnaryKind.SIGN, x);
                PtNDArray nan = Torch.unary(UnaryKind.IS_NAN, x)) {
            return Torch.where(nan, x, sign);
        }
    }

    // libtorch's functions of one axis are run once for each, the last axis first so that the others keep their
    // numbers.
    private static PtNDArray reduce(TorchDevice on, Op.Reduce op, PtNDArray x) {
        if (op.kind() == Op.ReduceKind.SUM) {
            return asBefore(on, x, Torch.sum(x, TorchMovement.array(op.axes()), op.keepDims()));
        }
        int last = op.axes().size() - 1;
        PtNDArray result = reduce(op, x, op.axes().get(last));
        for (int i = last - 1; i >= 0; i--) {
            try (PtNDArray before = result) {
                result = reduce(op, before, op.axes().get(i));
            }
        }
        return asBefore(on, x, result);
    }

    private static PtNDArray reduce(Op.Reduce op, PtNDArray x, int axis) {
        return switch (op.kind()) {
            case MEAN -> Torch.mean(x, axis, op.keepDims());
            case MAX -> Torch.max(x, axis, op.keepDims());
            case MIN -> Torch.min(x, axis, op.keepDims());
            case PROD -> Torch.prod(x, axis, op.keepDims());
            case SUM -> Torch.sum(x, new long[] {axis}, op.keepDims());
        };
    }

    /** libtorch sums int32 in int64; the result's type is the operand's. */
    private static PtNDArray asBefore(TorchDevice on, PtNDArray x, PtNDArray result) {
        if (TorchTypes.of(x).isFloating() || result.getDataType() == x.getDataType()) {
            return result;
        }
        try (result) {
            return TorchTypes.asIs(on, result, TorchTypes.of(x));
        }
    }

    // libtorch gives NaN for a row that is -inf throughout, and so for every element of it; Loupe wants zeros there.
    // Such rows are rare, so a look at the first element of each row tells whether the slower function is needed.
    private static PtNDArray softmax(TorchDevice on, PtNDArray x, int axis) {
        if (!on.isCpu() || TorchTypes.isBfloat16(x)) {
            return on.call("softmax", x, axis);
        }
        PtNDArray result = Torch.softmax(x, axis);
        boolean done = false;
        try {
            done = !hasNan(x, result, axis);
        } finally {
            if (!done) {
                result.close();
            }
        }
        return done ? result : on.call("softmax", x, axis);
    }

    // Asks of the operand what it is: DJL keeps the answer, while a fresh result would have to ask libtorch.
    private static boolean hasNan(PtNDArray x, PtNDArray result, int axis) {
        long[] sizes = x.getShape().getShape();
        boolean wide = x.getDataType() == DataType.FLOAT64;
        long inner = 1;
        for (int i = axis + 1; i < sizes.length; i++) {
            inner *= sizes[i];
        }
        long step = sizes[axis] * inner;
        long elements = x.getShape().size();
        if (elements <= FEW) {
            return !Torch.equal(result, result);
        }
        if (elements * (wide ? 8 : 4) > Integer.MAX_VALUE) {
            return true;
        }
        ByteBuffer data = Torch.view(result);
        for (int row = 0; row < elements; row += (int) step) {
            for (int i = row; i < row + inner; i++) {
                if (wide ? Double.isNaN(data.getDouble(i * 8)) : Float.isNaN(data.getFloat(i * 4))) {
                    return true;
                }
            }
        }
        return false;
    }
}
