package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.measures.GradientCheck;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * An operation with symbolic sizes, as it stands in a model: prepared once, run at several sizes.
 *
 * @param name for messages
 * @param inputs sizes of each input, written {@code batch pos 8}; a leading {@code i:} makes it int64 indices below 6,
 *     {@code b:} bool
 */
record SymbolicCase(String name, Op op, List<String> inputs) {

    private static final List<Map<String, Long>> SIZES = List.of(
            Map.of("batch", 1L, "pos", 7L, "past", 4L, "key", 11L),
            Map.of("batch", 2L, "pos", 1L, "past", 0L, "key", 1L),
            Map.of("batch", 3L, "pos", 31L, "past", 6L, "key", 37L),
            Map.of("batch", 1L, "pos", 64L, "past", 207L, "key", 271L),
            Map.of("batch", 1L, "pos", 1L, "past", 1L, "key", 2L));

    private static SymbolicCase of(String name, Op op, String... inputs) {
        return new SymbolicCase(name, op, List.of(inputs));
    }

    /** The operations that models are made of, with their usual symbols. */
    public static List<SymbolicCase> all() {
        long end = Op.Slice.TO_END;
        Op add = new Op.Binary(Op.BinaryKind.ADD);
        Op equal = new Op.Binary(Op.BinaryKind.EQ);
        Op sum = new Op.Reduce(Op.ReduceKind.SUM, List.of(1), true);
        return List.of(
                of("unary", new Op.Unary(Op.UnaryKind.TANH), "batch pos 8"),
                of("add", add, "batch pos 8", "batch pos 8"),
                of("add-bias", add, "batch pos 8", "8"),
                of("add-broadcast", add, "batch pos 1", "batch 1 8"),
                of("add-scalar", add, "", "batch pos"),
                of("add-outer", add, "batch pos 1", "batch 1 past"),
                of("compare", equal, "batch 1 pos 1", "batch 1 1 past"),
                of("where", new Op.Where(), "b:batch 1 pos past", "batch 4 pos past", ""),
                of("cast", new Op.Cast(DType.FLOAT32), "b:batch pos"),
                of("matmul", new Op.MatMul(), "batch pos 8", "8 6"),
                of("matmul-scores", new Op.MatMul(), "batch 4 pos 6", "batch 4 6 past"),
                of("matmul-values", new Op.MatMul(), "batch 4 pos past", "batch 4 past 6"),
                of("matmul-grouped", new Op.MatMul(), "batch 2 3 pos 6", "batch 2 1 6 past"),
                of("sum-last", new Op.Reduce(Op.ReduceKind.SUM, List.of(2), true), "batch pos 8"),
                of("sum-symbol", sum, "batch pos 8"),
                of("mean-all", new Op.Reduce(Op.ReduceKind.MEAN, List.of(0, 1, 2), false), "batch pos 8"),
                of("max", new Op.Reduce(Op.ReduceKind.MAX, List.of(1), false), "batch pos 8"),
                of("argmax", new Op.ArgReduce(true, 2, false), "batch pos 31"),
                of("topk", new Op.TopK(3, 2, true), "batch pos 31"),
                of("cumsum", new Op.CumSum(1), "batch pos"),
                of("gather-rows", new Op.Gather(0), "6 8", "i:batch pos"),
                of("gather-heads", new Op.Gather(2), "batch pos 6", "i:4"),
                of("gather-elements", new Op.GatherElements(2), "batch pos 6", "i:batch pos 1"),
                of("slice-from", new Op.Slice(1, 1, end, 1), "batch pos 8"),
                of("slice-up-to", new Op.Slice(1, 0, -1, 1), "batch pos 8"),
                of("slice-last", new Op.Slice(1, -1, end, 1), "batch pos 8"),
                of("slice-fixed", new Op.Slice(2, 2, 7, 2), "batch pos 8"),
                of("concat", new Op.Concat(1), "batch past 8", "batch pos 8"),
                of("split-axis", new Op.SplitAxis(2, List.of(2L, 4L)), "batch pos 8"),
                of("insert-axis", new Op.SplitAxis(1, List.of(1L, -1L)), "batch pos 8"),
                of("merge-axes", new Op.MergeAxes(2, 2), "batch pos 2 4"),
                of("merge-with-one", new Op.MergeAxes(1, 2), "batch pos 1 4"),
                of("transpose", new Op.Transpose(List.of(0, 2, 1, 3)), "batch pos 4 6"),
                of("expand", new Op.Expand(List.of(-1L, -1L, 4L, -1L)), "batch pos 1 6"),
                of("softmax", new Op.Softmax(3), "batch 4 pos key"),
                of("softmax-fixed", new Op.Softmax(2), "batch pos 8"),
                of("log-softmax", new Op.LogSoftmax(2), "batch pos 31"),
                of("gelu", new Op.Activation(Op.ActivationKind.GELU), "batch pos 8"),
                of("gelu-tanh", new Op.Activation(Op.ActivationKind.GELU_TANH), "batch pos 8"),
                of("silu", new Op.Activation(Op.ActivationKind.SILU), "batch pos 8"),
                of("linear", new Op.Linear(), "batch pos 8", "8 6", "6"),
                of("layer-norm", new Op.LayerNorm(1e-5), "batch pos 8", "8", "8"),
                of("layer-norm-bare", new Op.LayerNorm(1e-5), "batch pos 8"),
                of("rms-norm", new Op.RmsNorm(1e-5), "batch pos 8", "8"),
                of("rotate", new Op.Rotate(), "batch pos 4 6", "batch pos 3", "batch pos 3"),
                of("attention", new Op.Attention(0.4), "batch pos 4 6", "batch key 2 6", "batch key 2 6", MASK),
                of("cumsum-in-reverse", new Op.CumSum(1, true), "batch pos"),
                of("scatter-add", new Op.ScatterAdd(2), "batch pos 6", "i:batch pos 3", "batch pos 3"),
                of("broadcast-like", new Op.BroadcastLike(), "batch 1 8", "batch pos 8"),
                of("broadcast-scalar", new Op.BroadcastLike(), "", "batch pos 8"),
                of("unslice-up-to", new Op.Unslice(1, 0, -1, 1), "batch pos-1 8", "batch pos 8"),
                of("unslice-last", new Op.Unslice(1, -1, end, 1), "batch 1 8", "batch pos 8"),
                of("unslice-fixed", new Op.Unslice(2, 2, 7, 2), "batch pos 3", "batch pos 8"),
                of("split-like", new Op.SplitLike(1), "batch past+pos 8", "batch past 8", "batch pos 8"),
                of("reshape-like", new Op.ReshapeLike(), "batch pos 2 4", "batch pos 8"),
                of("slice-scatter", new Op.SliceScatter(2, 1), "batch pos 8", "batch pos 6"));
    }

    private static final String MASK = "b:batch 1 pos key";

    private TensorType type(String input, DType floating) {
        DType type = input.startsWith("i:") ? DType.INT64 : input.startsWith("b:") ? DType.BOOL : floating;
        String sizes = input.substring(input.indexOf(':') + 1);
        List<Dim> dims = new ArrayList<>();
        for (String size : sizes.split(" ", -1)) {
            if (!size.isEmpty()) {
                dims.add(size(size));
            }
        }
        return TensorType.of(type, dims.toArray(new Dim[0]));
    }

    private static Dim size(String size) {
        if (Character.isDigit(size.charAt(0))) {
            return Dim.of(Long.parseLong(size));
        }
        int plus = size.indexOf('+');
        int minus = size.indexOf('-');
        if (plus > 0) {
            return Dim.symbol(size.substring(0, plus)).plus(Dim.symbol(size.substring(plus + 1)));
        } else if (minus > 0) {
            return Dim.symbol(size.substring(0, minus)).plus(Dim.of(-Long.parseLong(size.substring(minus + 1))));
        }
        return Dim.symbol(size);
    }

    /** Prepares the op once and holds it against the reference at every size. */
    public void run(Bench bench, DType floating, Attempt attempt) {
        List<TensorType> types =
                inputs.stream().map(input -> type(input, floating)).toList();
        Segment segment = Segments.ofOneOp(op, types);
        try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
            attempt.each(SIZES, Map::toString, sizes -> {
                OpCase one = new OpCase(op, operands(types, sizes, attempt), "prepared, at " + sizes);
                List<HostTensor> found = OnBackend.run(bench.backend(), graph, one.inputs(), segment.outputs());
                OnBackend.checkTypes(one, found);
                OperationRules.compare(one, found, bench.oracle(), attempt.report());
            });
        }
    }

    /** Whether it gives numbers that derivatives flow through, made of such. */
    boolean isDifferentiable() {
        List<TensorType> types =
                inputs.stream().map(input -> type(input, DType.FLOAT32)).toList();
        return op.infer(types).stream().anyMatch(output -> output.dtype().isFloating())
                && types.stream().anyMatch(input -> input.dtype().isFloating());
    }

    /** Derives the op once, with its symbols, and holds the derivatives against the reference at every size. */
    void runBackward(Bench bench, Attempt attempt) {
        DType type = DType.FLOAT32;
        List<TensorType> types = inputs.stream().map(input -> type(input, type)).toList();
        attempt.each(SIZES, Map::toString, sizes -> {
            OpCase one = new OpCase(op, operands(types, sizes, attempt), "derived, at " + sizes);
            GradientCheck check = GradientCheck.of(one, types, new Inputs(attempt.random(7), type));
            GradientRules.againstTheReference(bench, one, check, type);
        });
    }

    private static List<HostTensor> operands(List<TensorType> types, Map<String, Long> sizes, Attempt attempt) {
        List<HostTensor> operands = new ArrayList<>();
        for (TensorType type : types) {
            Inputs random = new Inputs(attempt.random(operands.size() + 31L * sizes.hashCode()), type.dtype());
            Shape shape = type.resolve(sizes);
            boolean mask = type.dtype() == DType.BOOL;
            boolean indices = type.dtype() == DType.INT64;
            operands.add(
                    mask
                            ? random.bools(shape, 0.7)
                            : indices ? random.indices(shape, 6) : random.tensor(shape, Pattern.NORMAL, Domain.ANY));
        }
        return operands;
    }
}
