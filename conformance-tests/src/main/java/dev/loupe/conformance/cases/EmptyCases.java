package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Applications of every operation to tensors with a zero-length axis, where its type rule allows that. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class EmptyCases {

    private final Inputs inputs;
    private final SplittableRandom random;
    private final List<OpCase> cases = new ArrayList<>();

    private EmptyCases(DType type, SplittableRandom random) {
        this.random = random;
        this.inputs = new Inputs(random, type);
    }

    public static List<OpCase> of(DType type, SplittableRandom random) {
        EmptyCases made = new EmptyCases(type, random);
        made.elementwise(type);
        made.movement(type);
        if (type != DType.BOOL) {
            made.alongAxes(type);
        }
        if (type.isFloating()) {
            made.composite();
        }
        return made.cases;
    }

    private HostTensor data(long... sizes) {
        return inputs.tensor(Shape.of(sizes), Pattern.NORMAL, Domain.ANY);
    }

    private HostTensor indices(long... sizes) {
        return HostTensor.allocate(DType.INT64, Shape.of(sizes));
    }

    private void add(Op op, HostTensor... operands) {
        cases.add(new OpCase(op, List.of(operands), "zero-length"));
    }

    private void elementwise(DType type) {
        for (OpFamily family : OpFamily.every()) {
            if (!family.takes().includes(type)) {
                continue;
            }
            if (family.rule().equals("3.2")) {
                add(family.maker().cases(type, random).get(0).op(), data(2, 0, 3));
            } else if (family.rule().equals("3.3")) {
                Op op = family.maker().cases(type, random).get(0).op();
                add(op, data(0), data(0));
                add(op, data(4, 0), data(4, 1));
                add(op, data(), data(0, 7));
            }
        }
        add(new Op.Where(), inputs.bools(Shape.of(0, 1), 0.5), data(1, 6), data(0, 6));
        add(new Op.Cast(DType.FLOAT32), data(0));
        add(new Op.Full(type, Shape.of(3, 0), 1));
    }

    private void movement(DType type) {
        add(new Op.Gather(0), data(7, 6), indices(0));
        add(new Op.Gather(1), data(7, 6), indices(2, 0));
        add(new Op.Gather(0), data(7, 0), indices(3));
        add(new Op.GatherElements(0), data(7, 6), indices(0, 6));
        add(new Op.ScatterElements(1), data(4, 6), indices(4, 0), data(4, 0));
        add(new Op.Slice(0, 2, Op.Slice.TO_END, 1), data(2, 6));
        add(new Op.Slice(1, 0, Op.Slice.TO_END, 1), data(4, 0));
        add(new Op.Concat(1), data(4, 0), data(4, 0));
        add(new Op.Concat(0), data(0, 3), data(2, 3));
        add(new Op.Reshape(Shape.of(0, 7)), data(2, 0));
        add(new Op.SplitAxis(0, List.of(0L, 4L)), data(0));
        add(new Op.SplitAxis(1, List.of(-1L, 3L)), data(2, 0));
        add(new Op.MergeAxes(0, 2), data(4, 0, 6));
        add(new Op.Transpose(List.of(1, 0)), data(0, 7));
        add(new Op.Expand(List.of(-1L, 6L)), data(0, 1));
        add(new Op.SliceScatter(0, 2), data(4, 6), data(0, 6));
        add(new Op.Unslice(0, 2, 2, 1), data(0, 6), data(4, 6));
        add(new Op.Unslice(1, 0, Op.Slice.TO_END, 2), data(4, 0), data(4, 0));
        add(new Op.SplitLike(1), data(2, 3), data(2, 0), data(2, 3));
        add(new Op.SplitLike(0), data(0, 3), data(0, 3), data(0, 3));
        add(new Op.ReshapeLike(), data(0, 4), data(2, 0));
        add(new Op.BroadcastLike(), data(1, 6), data(0, 6));
        add(new Op.BroadcastLike(), data(), data(3, 0));
        if (type == DType.BOOL) {
            add(new Op.Unary(Op.UnaryKind.NOT), data(0));
        }
    }

    private void alongAxes(DType type) {
        add(new Op.Reduce(Op.ReduceKind.SUM, List.of(0), false), data(0));
        add(new Op.Reduce(Op.ReduceKind.SUM, List.of(1), true), data(4, 0));
        add(new Op.Reduce(Op.ReduceKind.PROD, List.of(0), false), data(0, 6));
        add(new Op.Reduce(Op.ReduceKind.SUM, List.of(1), false), data(0, 6));
        add(new Op.Reduce(Op.ReduceKind.MAX, List.of(1), false), data(0, 6));
        add(new Op.ArgReduce(true, 1, true), data(0, 6));
        add(new Op.TopK(2, 1, true), data(0, 6));
        add(new Op.TopK(0, 0, true), data(7));
        add(new Op.CumSum(0), data(0, 6));
        add(new Op.CumSum(1, true), data(4, 0));
        add(new Op.ScatterAdd(1), data(4, 6), indices(4, 0), data(4, 0));
        if (type.isFloating()) {
            add(new Op.Reduce(Op.ReduceKind.MEAN, List.of(0), false), data(0, 3));
            add(new Op.MatMul(), data(4, 0), data(0, 6));
            add(new Op.MatMul(), data(0, 4), data(4, 6));
            add(new Op.MatMul(), data(2, 3, 4), data(2, 4, 0));
        }
    }

    private void composite() {
        add(new Op.Softmax(1), data(0, 6));
        add(new Op.Softmax(0), data(4, 0));
        add(new Op.LogSoftmax(1), data(0, 6));
        add(new Op.Activation(Op.ActivationKind.GELU_TANH), data(0));
        add(new Op.Activation(Op.ActivationKind.SILU), data(2, 0));
        add(new Op.Linear(), data(0, 4), data(4, 6), data(6));
        add(new Op.LayerNorm(1e-5), data(0, 6), data(6), data(6));
        add(new Op.RmsNorm(1e-5), data(2, 0, 6), data(6));
        add(new Op.ActivationGradient(Op.ActivationKind.GELU_TANH), data(0, 3), data(0, 3));
        add(new Op.SoftmaxGradient(0), data(4, 0), data(4, 0));
        add(new Op.LogSoftmaxGradient(1), data(0, 6), data(0, 6));
        add(new Op.NormGradient(true, 1e-5), data(0, 6), data(0, 6));
        add(new Op.Rotate(), data(2, 0, 3, 4), data(2, 0, 2), data(2, 0, 2));
        add(
                new Op.Attention(0.5),
                data(1, 0, 2, 4),
                data(1, 3, 2, 4),
                data(1, 3, 2, 4),
                inputs.bools(Shape.of(1, 1, 0, 3), 1));
    }
}
