package dev.loupe.backend.onnx.host;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import java.util.List;
import org.apiguardian.api.API;

/**
 * What operations give on tensors without elements. The runtime divides by their sizes, which ends the process,
 * or says something else than Loupe defines.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class EmptyTensors {

    /** What an operation that reads nothing, yet gives something, is computed with. */
    private record Operands(List<HostTensor> inputs, HostTensor output) {

        HostTensor filled(double value) {
            fill(output, value);
            return output;
        }

        /** The output as so many copies of an input as it has room for. */
        HostTensor filledWith(int input) {
            HostTensor from = inputs.get(input);
            int bytes = from.data().capacity();
            for (int at = 0; at < output.data().capacity(); at += bytes) {
                output.data().put(at, from.data(), 0, bytes);
            }
            return output;
        }
    }

    private static final OpTable<Operands, HostTensor> OVER_NOTHING = new OpTable<Operands, HostTensor>()
            .line(Op.Reduce.class, EmptyTensors::reduced)
            .line(Op.ArgReduce.class, (op, at) -> {
                throw undefined(op, at.inputs());
            })
            .line(Op.MatMul.class, (op, at) -> at.filled(0))
            .line(Op.Linear.class, (op, at) -> at.filledWith(2))
            .line(Op.ScatterElements.class, (op, at) -> at.filledWith(0))
            .line(Op.ScatterAdd.class, (op, at) -> at.filledWith(0));

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
        if (OVER_NOTHING.find(op, new Operands(inputs, output)) == null) {
            throw new IllegalStateException(
                    op + " of " + inputs + " can't give " + output + ": an operation on nothing gives nothing");
        }
    }

    private static HostTensor reduced(Op.Reduce op, Operands at) {
        return switch (op.kind()) {
            case SUM -> at.filled(0);
            case PROD -> at.filled(1);
            case MEAN -> at.filled(Double.NaN);
            case MAX, MIN -> throw undefined(op, at.inputs());
        };
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
