package dev.loupe.backend.onnx.host;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import java.util.List;
import org.apiguardian.api.API;

/** Which operations are computed in Java, and the way to each. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HostOps {

    private record Operands(List<HostTensor> in, List<HostTensor> out) {
        HostTensor in(int index) {
            return in.get(index);
        }

        HostTensor out(int index) {
            return out.get(index);
        }
    }

    private static final OpTable<Operands, Runnable> MOVES = new OpTable<Operands, Runnable>()
            .line(Op.Slice.class, (op, at) -> () -> HostMovement.slice(op, at.in(0), at.out(0)))
            .line(Op.Expand.class, (op, at) -> () -> HostMovement.broadcast(at.in(0), at.out(0)))
            .line(Op.Concat.class, (op, at) -> () -> HostMovement.concat(op, at.in(), at.out(0)))
            .line(Op.SliceScatter.class, (op, at) -> () -> HostMovement.sliceScatter(op, at.in(0), at.in(1), at.out(0)))
            .line(Op.BroadcastLike.class, (op, at) -> () -> HostMovement.broadcast(at.in(0), at.out(0)))
            .line(Op.SplitLike.class, (op, at) -> () -> HostMovement.splitLike(op, at.in(0), at.out()))
            .line(Op.Unslice.class, (op, at) -> () -> HostMovement.unslice(op, at.in(0), at.out(0)))
            .line(Op.Full.class, (op, at) -> () -> EmptyTensors.fill(at.out(0), op.value()));

    private static final OpTable<Operands, Runnable> RANKINGS = new OpTable<Operands, Runnable>()
            .line(Op.TopK.class, (op, at) -> () -> Ranking.topK(op, at.in(0), at.out(0), at.out(1)))
            .line(Op.ArgReduce.class, (op, at) -> () -> Ranking.argReduce(op, at.in(0), at.out(0)));

    private static final OpTable<Operands, Runnable> INTEGERS = new OpTable<Operands, Runnable>()
            .line(Op.Reduce.class, (op, at) -> () -> IntegerReduction.reduce(op, at.in(0), at.out(0)));

    private HostOps() {}

    /**
     * Whether an operation has to be computed here: the runtime's ranking loses NaN, and its reductions of whole
     * numbers go through floating-point ones.
     *
     * @param dtype data type of the first input
     */
    public static boolean computes(Op op, DType dtype) {
        return RANKINGS.has(op) || (dtype.isInteger() && INTEGERS.has(op));
    }

    /**
     * Whether an operation by itself is better done here: those that only move elements, whose arguments vary so
     * much that a session for each would hardly be used twice.
     */
    public static boolean moves(Op op) {
        return MOVES.has(op);
    }

    /** Computes an operation of which the above is true into tensors of the right shapes. */
    public static void compute(Op op, List<HostTensor> in, List<HostTensor> out) {
        OpTable<Operands, Runnable> table = MOVES.has(op) ? MOVES : RANKINGS.has(op) ? RANKINGS : INTEGERS;
        table.apply(op, new Operands(in, out)).run();
    }
}
