package dev.loupe.examples.loops;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;

/** The primitive operations: sends each to the class that knows its kind. */
final class Loops {

    /**
     * What these loops can do. The 16-bit types are left out, so they must be refused: that is what the kit tests for
     * types that aren't declared.
     */
    static final Capabilities CAPABILITIES = new Capabilities(
            EnumSet.of(DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.INT32, DType.BOOL),
            EnumSet.of(DType.FLOAT32, DType.FLOAT64),
            true);

    /** What an op reads, and the types of what it gives. */
    private record Operands(List<LoopTensor> in, List<TensorType> types) {
        LoopTensor in(int index) {
            return in.get(index);
        }

        DType type() {
            return types.get(0).dtype();
        }

        Shape shape() {
            return types.get(0).shape();
        }
    }

    /** The way to compute an op with one output. */
    @FunctionalInterface
    private interface Single<T extends Op> {
        LoopTensor compute(T op, Operands at);
    }

    private static final OpTable<Operands, List<LoopTensor>> TABLE = new OpTable<>();

    static {
        line(Op.Full.class, (op, at) -> Elementwise.full(op));
        line(Op.Unary.class, (op, at) -> Elementwise.unary(op.kind(), at.in(0), at.type()));
        line(Op.Binary.class, (op, at) -> Elementwise.binary(op.kind(), at.in(0), at.in(1), at.type(), at.shape()));
        line(Op.Where.class, (op, at) -> Elementwise.where(at.in(0), at.in(1), at.in(2), at.shape()));
        line(Op.Cast.class, (op, at) -> Elementwise.cast(at.in(0), at.type()));
        line(Op.MatMul.class, (op, at) -> AlongAxes.matmul(at.in(0), at.in(1), at.shape()));
        line(Op.Reduce.class, (op, at) -> AlongAxes.reduce(op, at.in(0), at.shape()));
        line(
                Op.ArgReduce.class,
                (op, at) -> AlongAxes.topK(at.in(0), op.axis(), 1, op.largest())
                        .get(1)
                        .withShape(at.shape()));
        line(Op.CumSum.class, (op, at) -> AlongAxes.cumSum(at.in(0), op.axis(), op.reverse()));
        TABLE.line(Op.TopK.class, (op, at) -> AlongAxes.topK(at.in(0), op.axis(), op.k(), op.largest()));
        line(Op.Gather.class, (op, at) -> LoopMovement.gather(op.axis(), at.in(0), at.in(1), at.shape()));
        line(Op.GatherElements.class, (op, at) -> LoopMovement.gatherElements(op.axis(), at.in(0), at.in(1)));
        line(
                Op.ScatterElements.class,
                (op, at) -> LoopMovement.scatterElements(op.axis(), at.in(0), at.in(1), at.in(2)));
        line(Op.ScatterAdd.class, (op, at) -> LoopMovement.scatterAdd(op.axis(), at.in(0), at.in(1), at.in(2)));
        line(Op.Slice.class, (op, at) -> LoopMovement.slice(op, at.in(0), at.shape()));
        line(Op.Unslice.class, (op, at) -> LoopMovement.unslice(op, at.in(0), at.shape()));
        line(Op.Concat.class, (op, at) -> LoopMovement.concat(op.axis(), at.in(), at.shape()));
        line(Op.Transpose.class, (op, at) -> LoopMovement.transpose(op.permutation(), at.in(0), at.shape()));
        line(Op.Expand.class, (op, at) -> LoopMovement.expand(at.in(0), at.shape()));
        line(Op.BroadcastLike.class, (op, at) -> LoopMovement.expand(at.in(0), at.shape()));
        line(Op.Reshape.class, (op, at) -> at.in(0).withShape(at.shape()));
        line(Op.ReshapeLike.class, (op, at) -> at.in(0).withShape(at.shape()));
        line(Op.SplitAxis.class, (op, at) -> at.in(0).withShape(at.shape()));
        line(Op.MergeAxes.class, (op, at) -> at.in(0).withShape(at.shape()));
        TABLE.line(Op.SplitLike.class, Loops::split);
    }

    private Loops() {}

    private static <T extends Op> void line(Class<T> kind, Single<T> single) {
        TABLE.line(kind, (op, at) -> List.of(single.compute(op, at)));
    }

    /**
     * Takes data in.
     *
     * @throws UnsupportedOperationException for a type that isn't declared; names it
     */
    static LoopTensor upload(HostTensor data) {
        refuseUndeclared(data.dtype());
        return LoopTensor.of(data);
    }

    private static void refuseUndeclared(DType type) {
        if (!CAPABILITIES.dtypes().contains(type)) {
            throw new UnsupportedOperationException(
                    "The loops backend has no " + type + "; cast to one of " + CAPABILITIES.dtypes() + " first");
        }
    }

    /** Computes a primitive op. Its type rule has been checked: what it says of the outputs can be trusted. */
    static List<LoopTensor> compute(Op op, List<LoopTensor> in) {
        List<TensorType> types = op.infer(
                in.stream().map(x -> TensorType.of(x.dtype(), x.shape())).toList());
        types.forEach(type -> refuseUndeclared(type.dtype()));
        if (!TABLE.has(op)) {
            throw new UnsupportedOperationException("The loops backend doesn't know " + op.name());
        }
        return TABLE.apply(op, new Operands(in, types));
    }

    private static List<LoopTensor> split(Op.SplitLike op, Operands at) {
        List<LoopTensor> parts = new ArrayList<>();
        int start = 0;
        for (TensorType type : at.types()) {
            parts.add(LoopMovement.part(op.axis(), start, at.in(0), type.shape()));
            start += (int) type.shape().size(op.axis());
        }
        return parts;
    }
}
