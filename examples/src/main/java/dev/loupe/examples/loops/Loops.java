package dev.loupe.examples.loops;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.graph.Op;
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

    private Loops() {}

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
        if (op instanceof Op.TopK topK) {
            return AlongAxes.topK(in.get(0), topK.axis(), topK.k(), topK.largest());
        }
        refuseUndeclared(types.get(0).dtype());
        if (op instanceof Op.SplitLike split) {
            List<LoopTensor> parts = new ArrayList<>();
            int start = 0;
            for (TensorType type : types) {
                parts.add(LoopMovement.part(split.axis(), start, in.get(0), type.shape()));
                start += (int) type.shape().size(split.axis());
            }
            return parts;
        }
        return List.of(compute(op, in, types.get(0).dtype(), types.get(0).shape()));
    }

    private static LoopTensor compute(Op op, List<LoopTensor> in, DType type, Shape shape) {
        if (op instanceof Op.Full full) {
            return Elementwise.full(full);
        }
        LoopTensor x = in.get(0);
        if (op instanceof Op.Unary unary) {
            return Elementwise.unary(unary.kind(), x, type);
        } else if (op instanceof Op.Binary binary) {
            return Elementwise.binary(binary.kind(), x, in.get(1), type, shape);
        } else if (op instanceof Op.Where) {
            return Elementwise.where(x, in.get(1), in.get(2), shape);
        } else if (op instanceof Op.Cast) {
            return Elementwise.cast(x, type);
        } else if (op instanceof Op.MatMul) {
            return AlongAxes.matmul(x, in.get(1), shape);
        } else if (op instanceof Op.Reduce reduce) {
            return AlongAxes.reduce(reduce, x, shape);
        } else if (op instanceof Op.ArgReduce best) {
            return AlongAxes.topK(x, best.axis(), 1, best.largest()).get(1).withShape(shape);
        } else if (op instanceof Op.CumSum cumSum) {
            return AlongAxes.cumSum(x, cumSum.axis(), cumSum.reverse());
        } else if (op instanceof Op.Gather gather) {
            return LoopMovement.gather(gather.axis(), x, in.get(1), shape);
        } else if (op instanceof Op.GatherElements gather) {
            return LoopMovement.gatherElements(gather.axis(), x, in.get(1));
        } else if (op instanceof Op.ScatterElements scatter) {
            return LoopMovement.scatterElements(scatter.axis(), x, in.get(1), in.get(2));
        } else if (op instanceof Op.ScatterAdd scatter) {
            return LoopMovement.scatterAdd(scatter.axis(), x, in.get(1), in.get(2));
        } else if (op instanceof Op.Slice slice) {
            return LoopMovement.slice(slice, x, shape);
        } else if (op instanceof Op.Unslice unslice) {
            return LoopMovement.unslice(unslice, x, shape);
        } else if (op instanceof Op.Concat concat) {
            return LoopMovement.concat(concat.axis(), in, shape);
        } else if (op instanceof Op.Transpose transpose) {
            return LoopMovement.transpose(transpose.permutation(), x, shape);
        } else if (op instanceof Op.Expand || op instanceof Op.BroadcastLike) {
            return LoopMovement.expand(x, shape);
        } else if (op instanceof Op.Reshape
                || op instanceof Op.ReshapeLike
                || op instanceof Op.SplitAxis
                || op instanceof Op.MergeAxes) {
            return x.withShape(shape);
        }
        throw new UnsupportedOperationException(
                "The loops backend doesn't know " + op.name() + " (in " + x.dtype() + ")");
    }
}
