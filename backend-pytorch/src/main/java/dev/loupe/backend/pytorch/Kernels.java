package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.UnaryKind;
import java.nio.ByteBuffer;
import java.util.List;

/** Each op in terms of libtorch's functions. What is made on the way is closed on the way. */
final class Kernels {

    private static final long FUSED_SCORES = 160 * 160;

    /** Up to this many elements, comparing them all is cheaper than getting at the memory. */
    private static final long FEW = 64;

    private Kernels() {}

    /** Runs an op. */
    static List<PtNDArray> run(TorchDevice on, Op op, PtNDArray[] in) {
        if (op instanceof Op.TopK topK) {
            return on.callForSeveral("top_k", in[0], topK.k(), topK.axis(), topK.largest());
        } else if (op instanceof Op.SplitLike split) {
            return TorchMovement.split(split, in);
        }
        return List.of(runForOne(on, op, in));
    }

    /** Runs an op that has one output. */
    static PtNDArray runForOne(TorchDevice on, Op op, PtNDArray[] in) {
        PtNDArray moved = TorchMovement.run(on, op, in);
        if (moved != null) {
            return moved;
        }
        if (op instanceof Op.Binary binary) {
            return Torch.binary(binary.kind(), in[0], in[1]);
        } else if (op instanceof Op.Unary unary) {
            return unary(on, unary.kind(), in[0]);
        } else if (op instanceof Op.MatMul) {
            return Torch.matmul(in[0], in[1]);
        } else if (op instanceof Op.Where) {
            return Torch.where(in[0], in[1], in[2]);
        } else if (op instanceof Op.Reduce reduce) {
            return reduce(reduce, in[0]);
        } else if (op instanceof Op.ArgReduce arg) {
            return arg.largest()
                    ? Torch.argMax(in[0], arg.axis(), arg.keepDims())
                    : Torch.argMin(in[0], arg.axis(), arg.keepDims());
        } else if (op instanceof Op.CumSum cumSum) {
            return asBefore(
                    in[0],
                    cumSum.reverse()
                            ? on.call("cumsum_in_reverse", in[0], cumSum.axis())
                            : Torch.cumSum(in[0], cumSum.axis()));
        } else if (op instanceof Op.ScatterAdd scatter) {
            return on.call("scatter_add", in[0], scatter.axis(), in[1], in[2]);
        } else if (op instanceof Op.Full full) {
            return on.full(full.dtype(), full.shape(), full.value());
        }
        return composite(on, op, in);
    }

    private static PtNDArray composite(TorchDevice on, Op op, PtNDArray[] in) {
        if (op instanceof Op.Linear) {
            return in[0].getDataType().equals(DataType.FLOAT32)
                            || in[0].getDataType().equals(DataType.FLOAT64)
                    ? Torch.linear(in[0], in[1], in[2])
                    : on.call("linear", in[0], in[1], in[2]);
        } else if (op instanceof Op.LayerNorm norm) {
            return in.length == 1
                    ? on.call("layer_norm", in[0], norm.eps())
                    : Torch.layerNorm(in[0], in[1].getShape().get(0), in[1], in[2], norm.eps());
        } else if (op instanceof Op.RmsNorm norm) {
            return in.length == 1
                    ? on.call("rms_norm", in[0], norm.eps())
                    : on.call("rms_norm_weighted", in[0], in[1], norm.eps());
        } else if (op instanceof Op.Softmax softmax) {
            return softmax(on, in[0], softmax.axis());
        } else if (op instanceof Op.LogSoftmax softmax) {
            return TorchTypes.isBfloat16(in[0])
                    ? on.call("log_softmax", in[0], softmax.axis())
                    : Torch.logSoftmax(in[0], softmax.axis());
        } else if (op instanceof Op.Activation activation) {
            return switch (activation.kind()) {
                case GELU -> Torch.gelu(in[0]);
                case GELU_TANH -> on.call("gelu_tanh", in[0]);
                case QUICK_GELU -> on.call("quick_gelu", in[0]);
                case SILU -> on.call("silu", in[0]);
            };
        } else if (op instanceof Op.Rotate) {
            return on.call("rotate", in[0], in[1], in[2]);
        } else if (op instanceof Op.ActivationGradient activation) {
            return switch (activation.kind()) {
                case GELU -> on.call("gelu_gradient", in[0], in[1], false);
                case GELU_TANH -> on.call("gelu_gradient", in[0], in[1], true);
                case QUICK_GELU -> on.call("quick_gelu_gradient", in[0], in[1]);
                case SILU -> on.call("silu_gradient", in[0], in[1]);
            };
        } else if (op instanceof Op.SoftmaxGradient softmax) {
            return on.call("softmax_gradient", in[0], in[1], softmax.axis());
        } else if (op instanceof Op.LogSoftmaxGradient softmax) {
            return on.call("log_softmax_gradient", in[0], in[1], softmax.axis());
        } else if (op instanceof Op.NormGradient norm) {
            return on.call(norm.centres() ? "layer_norm_gradient" : "rms_norm_gradient", in[0], in[1], norm.eps());
        } else if (op instanceof Op.Attention attention) {
            return on.call(
                    "attention", in[0], in[1], in[2], in[3], attention.scale(), fuses(on, in[0], in[1]), on.isCpu());
        }
        throw new IllegalArgumentException("The backend 'pytorch' doesn't know the op " + op);
    }

    /**
     * Whether libtorch's fused attention is the faster way. On a CPU it is so for long sequences only: measured with 12
     * heads of 64, a third slower at 64 positions, even at 130, up to twice as fast at 512.
     */
    private static boolean fuses(TorchDevice on, PtNDArray q, PtNDArray k) {
        return !on.isCpu() || q.getShape().get(1) * k.getShape().get(1) >= FUSED_SCORES;
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
    private static PtNDArray reduce(Op.Reduce op, PtNDArray x) {
        if (op.kind() == Op.ReduceKind.SUM) {
            return asBefore(x, Torch.sum(x, TorchMovement.array(op.axes()), op.keepDims()));
        }
        int last = op.axes().size() - 1;
        PtNDArray result = reduce(op, x, op.axes().get(last));
        for (int i = last - 1; i >= 0; i--) {
            try (PtNDArray before = result) {
                result = reduce(op, before, op.axes().get(i));
            }
        }
        return asBefore(x, result);
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
    private static PtNDArray asBefore(PtNDArray x, PtNDArray result) {
        if (TorchTypes.of(x).isFloating() || result.getDataType() == x.getDataType()) {
            return result;
        }
        try (result) {
            return Torch.cast(result, x.getDataType());
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
