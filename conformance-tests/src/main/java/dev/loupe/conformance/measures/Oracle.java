package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.graph.Op;
import java.util.List;
import org.apiguardian.api.API;

/** Knows what is right: the reference backend, computing in float64 from the very numbers the other one gets. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Oracle {

    private final Backend reference;

    public Oracle(Backend reference) {
        this.reference = reference;
    }

    /** The expected outputs; floating-point ones in float64. */
    public List<HostTensor> outputs(OpCase one) {
        if (one.op() instanceof Op.Cast cast) {
            return List.of(one.inputs().get(0).to(cast.to()));
        }
        return run(wide(one.op()), one.inputs().stream().map(Oracle::wide).toList());
    }

    /** The outputs of the op for the inputs' magnitudes: what bounds the rounding of sums. */
    HostTensor ofMagnitudes(OpCase one) {
        List<HostTensor> magnitudes =
                one.inputs().stream().map(Oracle::magnitudes).toList();
        return run(one.op(), magnitudes).get(0);
    }

    /** Runs an op on the reference backend as it is. */
    public List<HostTensor> run(Op op, List<HostTensor> inputs) {
        return OnBackend.execute(reference, op, inputs);
    }

    /** A tensor in float64, if it is floating. */
    public static HostTensor wide(HostTensor tensor) {
        return tensor.dtype().isFloating() ? tensor.to(DType.FLOAT64) : tensor;
    }

    private static Op wide(Op op) {
        return op instanceof Op.Full full && full.dtype().isFloating()
                ? new Op.Full(DType.FLOAT64, full.shape(), full.value())
                : op;
    }

    private static HostTensor magnitudes(HostTensor tensor) {
        if (!tensor.dtype().isFloating()) {
            return tensor;
        }
        HostTensor result = HostTensor.allocate(DType.FLOAT64, tensor.shape());
        int count = (int) tensor.shape().elements();
        for (int i = 0; i < count; i++) {
            result.setDouble(i, Math.abs(tensor.getDouble(i)));
        }
        return result;
    }
}
