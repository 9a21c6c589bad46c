package dev.loupe.backend.onnx.host;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import java.util.List;

/** Which operations are computed in Java, and the way to each. */
public final class HostOps {

    private HostOps() {}

    /**
     * Whether an operation has to be computed here: the runtime's ranking loses NaN, and its reductions of whole
     * numbers go through floating-point ones.
     *
     * @param dtype data type of the first input
     */
    public static boolean computes(Op op, DType dtype) {
        return op instanceof Op.TopK || op instanceof Op.ArgReduce || op instanceof Op.Reduce && dtype.isInteger();
    }

    /**
     * Whether an operation by itself is better done here: those that only move elements, whose arguments vary so
     * much that a session for each would hardly be used twice.
     */
    public static boolean moves(Op op) {
        return op instanceof Op.Slice
                || op instanceof Op.Expand
                || op instanceof Op.Concat
                || op instanceof Op.SliceScatter
                || op instanceof Op.BroadcastLike
                || op instanceof Op.SplitLike
                || op instanceof Op.Unslice
                || op instanceof Op.Full;
    }

    /** Computes an operation of which the above is true into tensors of the right shapes. */
    public static void compute(Op op, List<HostTensor> in, List<HostTensor> out) {
        if (op instanceof Op.TopK topK) {
            Ranking.topK(topK, in.get(0), out.get(0), out.get(1));
        } else if (op instanceof Op.ArgReduce argReduce) {
            Ranking.argReduce(argReduce, in.get(0), out.get(0));
        } else if (op instanceof Op.Reduce reduce) {
            IntegerReduction.reduce(reduce, in.get(0), out.get(0));
        } else if (op instanceof Op.Slice slice) {
            HostMovement.slice(slice, in.get(0), out.get(0));
        } else if (op instanceof Op.Expand) {
            HostMovement.expand(in.get(0), out.get(0));
        } else if (op instanceof Op.Concat concat) {
            HostMovement.concat(concat, in, out.get(0));
        } else if (op instanceof Op.SliceScatter scatter) {
            HostMovement.sliceScatter(scatter, in.get(0), in.get(1), out.get(0));
        } else if (op instanceof Op.BroadcastLike) {
            HostMovement.broadcast(in.get(0), out.get(0));
        } else if (op instanceof Op.SplitLike split) {
            HostMovement.splitLike(split, in.get(0), out);
        } else if (op instanceof Op.Unslice unslice) {
            HostMovement.unslice(unslice, in.get(0), out.get(0));
        } else if (op instanceof Op.Full full) {
            EmptyTensors.fill(out.get(0), full.value());
        } else {
            throw new IllegalArgumentException(op + " is not computed in Java");
        }
    }
}
