package dev.loupe.backend.onnx.host;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import java.util.Arrays;
import java.util.function.LongBinaryOperator;

/** Reduces whole numbers, exactly; what is too large wraps round. */
final class IntegerReduction {

    private IntegerReduction() {}

    static void reduce(Op.Reduce op, HostTensor in, HostTensor out) {
        LongBinaryOperator combine = switch (op.kind()) {
            case SUM -> Long::sum;
            case PROD -> (a, b) -> a * b;
            case MAX -> Math::max;
            case MIN -> Math::min;
            case MEAN -> throw new IllegalArgumentException(op + ": whole numbers have no mean of their own type");
        };
        long start = switch (op.kind()) {
            case PROD -> 1;
            case MAX -> Long.MIN_VALUE;
            case MIN -> Long.MAX_VALUE;
            default -> 0;
        };
        long[] results = new long[(int) out.shape().elements()];
        Arrays.fill(results, start);
        long[] steps = resultSteps(op, in);
        long[] position = new long[steps.length];
        long at = 0; // the result that the element belongs to
        int count = (int) in.shape().elements();
        for (int i = 0; i < count; i++) {
            results[(int) at] = combine.applyAsLong(results[(int) at], read(in, i));
            for (int axis = steps.length - 1; axis >= 0; axis--) {
                at += steps[axis];
                if (++position[axis] < in.shape().size(axis)) {
                    break;
                }
                at -= position[axis] * steps[axis];
                position[axis] = 0;
            }
        }
        for (int i = 0; i < results.length; i++) {
            write(out, i, results[i]);
        }
    }

    /** How far a step along each axis of the input moves in the result: not at all along reduced axes. */
    private static long[] resultSteps(Op.Reduce op, HostTensor in) {
        long[] steps = new long[in.shape().rank()];
        long step = 1;
        for (int axis = steps.length - 1; axis >= 0; axis--) {
            if (!op.axes().contains(axis)) {
                steps[axis] = step;
                step *= in.shape().size(axis);
            }
        }
        return steps;
    }

    private static long read(HostTensor tensor, int i) {
        return tensor.dtype() == DType.INT64
                ? tensor.data().getLong(i * 8)
                : tensor.data().getInt(i * 4);
    }

    private static void write(HostTensor tensor, int i, long value) {
        if (tensor.dtype() == DType.INT64) {
            tensor.data().putLong(i * 8, value);
        } else {
            tensor.data().putInt(i * 4, (int) value);
        }
    }
}
