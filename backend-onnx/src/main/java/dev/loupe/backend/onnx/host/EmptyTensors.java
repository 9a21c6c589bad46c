package dev.loupe.backend.onnx.host;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import java.util.List;
import org.apiguardian.api.API;

/**
 * What operations give on tensors without elements. The runtime divides by their sizes, which ends the process,
 * or says something else than Loupe defines.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class EmptyTensors {

    private EmptyTensors() {}

    /** Whether an operation is safe with the runtime although one of its tensors has no elements. */
    public static boolean isSafe(Op op) {
        return op instanceof Op.Concat;
    }

    /**
     * Fills the outputs of an operation that has an input or an output without elements.
     *
     * @param outputs tensors of the right shapes
     * @throws IllegalArgumentException if the operation is undefined over nothing
     */
    public static void compute(Op op, List<HostTensor> inputs, List<HostTensor> outputs) {
        for (HostTensor output : outputs) {
            if (output.shape().elements() > 0) {
                fill(op, inputs, output);
            }
        }
    }

    private static void fill(Op op, List<HostTensor> inputs, HostTensor output) {
        if (op instanceof Op.Reduce reduce) {
            switch (reduce.kind()) {
                case SUM -> fill(output, 0);
                case PROD -> fill(output, 1);
                case MEAN -> fill(output, Double.NaN);
                case MAX, MIN -> throw undefined(op, inputs);
            }
        } else if (op instanceof Op.ArgReduce) {
            throw undefined(op, inputs);
        } else if (op instanceof Op.MatMul) {
            fill(output, 0);
        } else if (op instanceof Op.Linear) {
            int row = inputs.get(2).data().capacity();
            for (int at = 0; at < output.data().capacity(); at += row) {
                output.data().put(at, inputs.get(2).data(), 0, row);
            }
        } else if (op instanceof Op.ScatterElements || op instanceof Op.ScatterAdd) {
            output.data().put(0, inputs.get(0).data(), 0, output.data().capacity());
        } else {
            throw new IllegalStateException(
                    op + " of " + inputs + " can't give " + output + ": an operation on nothing gives nothing");
        }
    }

    private static IllegalArgumentException undefined(Op op, List<HostTensor> inputs) {
        return new IllegalArgumentException(
                op + " of " + inputs + ": an empty axis has no largest or smallest element");
    }

    /** Fills a tensor with a number, converted as {@link Op.Full} says. */
    public static void fill(HostTensor tensor, double value) {
        int width = tensor.dtype().bytes();
        int bytes = tensor.data().capacity();
        if (bytes == 0) {
            return;
        }
        if (tensor.dtype() == DType.INT64) {
            tensor.data().putLong(0, (long) value);
        } else {
            tensor.setDouble(0, value);
        }
        for (int done = width; done < bytes; done *= 2) {
            tensor.data().put(done, tensor.data(), 0, Math.min(done, bytes - done));
        }
    }
}
