package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ReduceKind;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/**
 * Operations that differ in nothing but an attribute: name, types and shapes of their inputs and outputs are the same,
 * and so is what a careless cache of kernels looks them up by.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class LookAlikes {

    private final Inputs inputs;
    private final List<List<OpCase>> groups = new ArrayList<>();

    private LookAlikes(SplittableRandom random) {
        inputs = new Inputs(random, DType.FLOAT32);
    }

    /** Groups of them, each with the same inputs. */
    public static List<List<OpCase>> groups(SplittableRandom random) {
        LookAlikes made = new LookAlikes(random);
        made.alongAxes();
        made.moving();
        made.computing();
        return made.groups;
    }

    private void add(List<Op> ops, HostTensor... operands) {
        groups.add(ops.stream().map(op -> new OpCase(op, List.of(operands), "")).toList());
    }

    private void alongAxes() {
        HostTensor x = inputs.normal(6, 6);
        add(List.of(new Op.Softmax(0), new Op.Softmax(1)), x);
        add(List.of(new Op.LogSoftmax(1), new Op.LogSoftmax(0)), x);
        for (ReduceKind kind : ReduceKind.values()) {
            add(List.of(new Op.Reduce(kind, List.of(0), false), new Op.Reduce(kind, List.of(1), false)), x);
        }
        add(
                List.of(
                        new Op.ArgReduce(true, 0, false),
                        new Op.ArgReduce(true, 1, false),
                        new Op.ArgReduce(false, 0, false)),
                x);
        add(List.of(new Op.TopK(6, 0, true), new Op.TopK(6, 1, true), new Op.TopK(6, 0, false)), x);
        add(List.of(new Op.CumSum(0, false), new Op.CumSum(0, true), new Op.CumSum(1, false)), x);
        HostTensor y = inputs.normal(6, 6);
        add(List.of(new Op.SoftmaxGradient(0), new Op.SoftmaxGradient(1)), x, y);
        add(List.of(new Op.LogSoftmaxGradient(1), new Op.LogSoftmaxGradient(0)), x, y);
    }

    private void moving() {
        HostTensor cube = inputs.normal(4, 4, 4);
        HostTensor x = inputs.normal(6, 6);
        add(
                List.of(
                        new Op.Transpose(List.of(1, 0, 2)),
                        new Op.Transpose(List.of(2, 1, 0)),
                        new Op.Transpose(List.of(1, 2, 0))),
                cube);
        add(List.of(new Op.Slice(0, 0, 3, 1), new Op.Slice(0, 3, 6, 1), new Op.Slice(0, 0, Op.Slice.TO_END, 2)), x);
        HostTensor three = inputs.normal(3, 6);
        add(List.of(new Op.Unslice(0, 0, 3, 1), new Op.Unslice(0, 2, 5, 1), new Op.Unslice(0, 1, 6, 2)), three, x);
        add(List.of(new Op.SliceScatter(0, 0), new Op.SliceScatter(0, 2)), x, three);
        HostTensor rows = inputs.indices(Shape.of(6), 6);
        add(List.of(new Op.Gather(0), new Op.Gather(1)), x, rows);
        HostTensor places = inputs.indices(Shape.of(6, 6), 6);
        add(List.of(new Op.GatherElements(0), new Op.GatherElements(1)), x, places);
        HostTensor updates = inputs.normal(6, 6);
        add(List.of(new Op.ScatterElements(1), new Op.ScatterElements(0)), x, places, updates);
        add(List.of(new Op.ScatterAdd(0), new Op.ScatterAdd(1)), x, places, updates);
    }

    private void computing() {
        HostTensor small = HostTensor.allocate(DType.FLOAT32, Shape.of(3, 7));
        for (int i = 0; i < small.shape().elements(); i++) {
            small.setDouble(i, 0.1 * Math.sin(i));
        }
        add(List.of(new Op.LayerNorm(1e-5), new Op.LayerNorm(0.5), new Op.LayerNorm(1e-3)), small);
        add(List.of(new Op.RmsNorm(0.5), new Op.RmsNorm(1e-6)), small);
        HostTensor g = inputs.normal(3, 7);
        add(List.of(new Op.NormGradient(true, 1e-5), new Op.NormGradient(true, 0.5)), g, small);
        HostTensor mask = HostTensor.allocate(DType.BOOL, Shape.of(1, 1, 5, 5));
        for (int i = 0; i < 25; i++) {
            mask.setDouble(i, i % 5 <= i / 5 ? 1 : 0);
        }
        add(
                List.of(new Op.Attention(0.5), new Op.Attention(0.1), new Op.Attention(1)),
                inputs.normal(1, 5, 2, 4),
                inputs.normal(1, 5, 2, 4),
                inputs.normal(1, 5, 2, 4),
                mask);
        Shape shape = Shape.of(2, 3);
        add(List.of(
                new Op.Full(DType.FLOAT32, shape, 1),
                new Op.Full(DType.FLOAT32, shape, 2),
                new Op.Full(DType.FLOAT32, shape, -1)));
    }
}
