package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import dev.loupe.graph.TensorType;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apiguardian.api.API;

/** The table: each operation, and the ONNX nodes that it becomes. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Lowering {

    /** How an operation with one output is written down; gives the name of the output. */
    @FunctionalInterface
    private interface Single<T extends Op> {
        String write(T op, LoweringSite at);
    }

    private static final OpTable<LoweringSite, List<String>> TABLE = new OpTable<>();
    private static final Map<Op.UnaryKind, Single<Op.Unary>> UNARY = new EnumMap<>(Op.UnaryKind.class);
    private static final Map<Op.BinaryKind, Single<Op.Binary>> BINARY = new EnumMap<>(Op.BinaryKind.class);

    private static final Map<Op.ReduceKind, String> REDUCTIONS = Map.of(
            Op.ReduceKind.SUM, "ReduceSum",
            Op.ReduceKind.MEAN, "ReduceMean",
            Op.ReduceKind.MAX, "ReduceMax",
            Op.ReduceKind.MIN, "ReduceMin",
            Op.ReduceKind.PROD, "ReduceProd");

    static {
        unary(Op.UnaryKind.NEG, (op, at) -> at.all("Neg"));
        unary(Op.UnaryKind.ABS, (op, at) -> at.all("Abs"));
        unary(Op.UnaryKind.SIGN, (op, at) -> at.all("Sign"));
        unary(Op.UnaryKind.EXP, (op, at) -> at.all("Exp"));
        unary(Op.UnaryKind.LOG, (op, at) -> at.all("Log"));
        unary(Op.UnaryKind.SQRT, (op, at) -> at.all("Sqrt"));
        unary(Op.UnaryKind.RSQRT, (op, at) -> at.node("Reciprocal", at.all("Sqrt")));
        unary(Op.UnaryKind.RECIPROCAL, (op, at) -> at.all("Reciprocal"));
        unary(Op.UnaryKind.SIN, (op, at) -> at.all("Sin"));
        unary(Op.UnaryKind.COS, Lowering::cos);
        unary(Op.UnaryKind.TANH, (op, at) -> at.all("Tanh"));
        unary(Op.UnaryKind.ERF, (op, at) -> ErrorFunction.write(at, at.input(0)));
        unary(Op.UnaryKind.SIGMOID, (op, at) -> at.all("Sigmoid"));
        unary(Op.UnaryKind.FLOOR, (op, at) -> at.all("Floor"));
        unary(Op.UnaryKind.CEIL, (op, at) -> at.all("Ceil"));
        unary(Op.UnaryKind.ROUND, (op, at) -> at.all("Round"));
        unary(Op.UnaryKind.RELU, (op, at) -> at.all("Relu"));
        unary(Op.UnaryKind.NOT, (op, at) -> at.all("Not"));
        unary(Op.UnaryKind.IS_NAN, (op, at) -> at.all("IsNaN"));

        binary(Op.BinaryKind.ADD, (op, at) -> at.all("Add"));
        binary(Op.BinaryKind.SUB, (op, at) -> at.all("Sub"));
        binary(Op.BinaryKind.MUL, (op, at) -> at.all("Mul"));
        binary(Op.BinaryKind.DIV, (op, at) -> at.all("Div"));
        binary(Op.BinaryKind.POW, (op, at) -> at.all("Pow"));
        binary(Op.BinaryKind.MAX, (op, at) -> extreme("Max", "Greater", at));
        binary(Op.BinaryKind.MIN, (op, at) -> extreme("Min", "Less", at));
        binary(Op.BinaryKind.EQ, (op, at) -> at.all("Equal"));
        binary(Op.BinaryKind.NE, (op, at) -> at.node("Not", at.all("Equal")));
        binary(Op.BinaryKind.LT, (op, at) -> at.all("Less"));
        binary(Op.BinaryKind.LE, (op, at) -> at.all("LessOrEqual"));
        binary(Op.BinaryKind.GT, (op, at) -> at.all("Greater"));
        binary(Op.BinaryKind.GE, (op, at) -> at.all("GreaterOrEqual"));
        binary(Op.BinaryKind.AND, (op, at) -> at.all("And"));
        binary(Op.BinaryKind.OR, (op, at) -> at.all("Or"));

        row(Op.Unary.class, (op, at) -> entry(UNARY, op.kind()).write(op, at));
        row(Op.Binary.class, (op, at) -> entry(BINARY, op.kind()).write(op, at));
        row(Op.Where.class, (op, at) -> at.type(1).dtype() == DType.BOOL ? whereOfBools(at) : at.all("Where"));
        row(Op.Cast.class, Casts::write);
        row(Op.MatMul.class, (op, at) -> at.all("MatMul"));
        row(Op.Reduce.class, Lowering::reduce);
        row(
                Op.ArgReduce.class,
                (op, at) -> at.all(
                        op.largest() ? "ArgMax" : "ArgMin",
                        Attribute.of("axis", op.axis()),
                        Attribute.of("keepdims", op.keepDims() ? 1 : 0)));
        TABLE.line(
                Op.TopK.class,
                (op, at) -> at.model()
                        .nodes(
                                "TopK",
                                2,
                                List.of(at.input(0), at.ints(op.k())),
                                Attribute.of("axis", op.axis()),
                                Attribute.of("largest", op.largest() ? 1 : 0)));
        row(
                Op.CumSum.class,
                (op, at) -> at.node(
                        "CumSum",
                        at.input(0),
                        at.model().scalar(DType.INT64, op.axis()),
                        Attribute.of("reverse", op.reverse() ? 1 : 0)));
        row(Op.Gather.class, (op, at) -> at.all("Gather", Attribute.of("axis", op.axis())));
        row(Op.GatherElements.class, (op, at) -> at.all("GatherElements", Attribute.of("axis", op.axis())));
        row(Op.ScatterElements.class, (op, at) -> at.all("ScatterElements", Attribute.of("axis", op.axis())));
        row(
                Op.ScatterAdd.class,
                (op, at) ->
                        at.all("ScatterElements", Attribute.of("axis", op.axis()), Attribute.of("reduction", "add")));
        row(
                Op.Slice.class,
                (op, at) -> at.node(
                        "Slice",
                        List.of(
                                at.input(0),
                                at.ints(op.start()),
                                at.ints(op.end()),
                                at.ints(op.axis()),
                                at.ints(op.step()))));
        row(Op.Concat.class, (op, at) -> at.all("Concat", Attribute.of("axis", op.axis())));
        row(Op.Transpose.class, (op, at) -> at.all("Transpose", Attribute.of("perm", op.permutation())));
        row(
                Op.Expand.class,
                (op, at) -> at.node(
                        "Expand",
                        at.input(0),
                        at.ints(op.sizes().stream().map(size -> Math.abs(size)).toList())));
        row(Op.BroadcastLike.class, (op, at) -> at.node("Expand", at.input(0), at.node("Shape", at.input(1))));
        row(Op.Unslice.class, Shapes::unslice);
        TABLE.line(Op.SplitLike.class, Shapes::splitLike);
        row(Op.ReshapeLike.class, Shapes::reshapeLike);
        row(Op.Reshape.class, Shapes::reshape);
        row(Op.SplitAxis.class, Shapes::splitAxis);
        row(Op.MergeAxes.class, Shapes::mergeAxes);
        row(Op.Full.class, Shapes::full);

        row(Op.Linear.class, (op, at) -> at.node("Add", at.node("MatMul", at.input(0), at.input(1)), at.input(2)));
        row(Op.Activation.class, ActivationFunctions::write);
        row(Op.Softmax.class, Lowering::softmax);
        row(Op.LogSoftmax.class, Lowering::logSoftmax);
    }

    private Lowering() {}

    private static void unary(Op.UnaryKind kind, Single<Op.Unary> row) {
        UNARY.put(kind, row);
    }

    private static void binary(Op.BinaryKind kind, Single<Op.Binary> row) {
        BINARY.put(kind, row);
    }

    private static <T extends Op> void row(Class<T> type, Single<T> row) {
        TABLE.line(type, (op, at) -> List.of(row.write(op, at)));
    }

    /** Whether an operation has a row of its own; composite ones without are decomposed first. */
    public static boolean has(Op op) {
        return TABLE.has(op);
    }

    /**
     * Writes an operation down.
     *
     * @param node what to call the operation in messages
     * @return the names of its outputs
     * @throws UnsupportedOperationException if there is no row for it; names the operation and the node
     */
    public static List<String> write(Op op, ModelBuilder model, List<Operand> in, List<TensorType> out, String node) {
        model.scope(node);
        try {
            boolean narrow = Float16.needsWidening(op, in);
            LoweringSite at = new LoweringSite(
                    model, narrow ? Float16.widened(model, in) : in, narrow ? Float16.widened(out) : out);
            if (!TABLE.has(op)) {
                throw new NoSuchElementException("its table has no row for " + op.getClass());
            }
            List<String> results = TABLE.apply(op, at);
            return narrow ? Float16.narrowed(model, results, out) : results;
        } catch (NoSuchElementException e) {
            throw new UnsupportedOperationException(
                    "The backend 'onnx' can't lower " + op.name() + " at " + node + ": " + e.getMessage()
                            + ". Use other operations there, or another backend",
                    e);
        }
    }

    private static <K, V> V entry(Map<K, V> table, K key) {
        V entry = table.get(key);
        if (entry == null) {
            throw new NoSuchElementException("its table has no row for " + key);
        }
        return entry;
    }

    // The runtime has no kernel for this.
    private static String whereOfBools(LoweringSite at) {
        String yes = at.node("And", at.input(0), at.input(1));
        return at.node("Or", yes, at.node("And", at.node("Not", at.input(0)), at.input(2)));
    }

    // The runtime compares int64 by halves here.
    private static String extreme(String opType, String better, LoweringSite at) {
        return at.dtype() == DType.INT64 ? at.where(at.all(better), at.input(0), at.input(1)) : at.all(opType);
    }

    // The runtime has no cosine in float64; with half the angle in the sine nothing is lost.
    private static String cos(Op.Unary op, LoweringSite at) {
        if (at.dtype() != DType.FLOAT64) {
            return at.all("Cos");
        }
        String sine = at.node("Sin", at.node("Mul", at.input(0), at.scalar(0.5)));
        return at.node("Sub", at.scalar(1), at.node("Mul", at.scalar(2), at.node("Mul", sine, sine)));
    }

    private static String reduce(Op.Reduce op, LoweringSite at) {
        String kind = entry(REDUCTIONS, op.kind());
        Attribute keep = Attribute.of("keepdims", op.keepDims() ? 1 : 0);
        String axes = at.ints(op.axes());
        boolean selects = op.kind() == Op.ReduceKind.MAX || op.kind() == Op.ReduceKind.MIN;
        if (!selects || !at.dtype().isFloating()) {
            return at.node(kind, at.input(0), axes, keep);
        }
        // The runtime skips NaN: add 0 where there is none, NaN where there is one.
        String isNumber = at.node("Equal", at.input(0), at.input(0));
        String noise = at.where(isNumber, at.scalar(0), at.input(0));
        return at.node("Add", at.node(kind, at.input(0), axes, keep), at.node("ReduceSum", noise, axes, keep));
    }

    // The runtime gives NaN for a row that is -inf throughout. Its sum tells such a row from one with a NaN.
    private static String softmax(Op.Softmax op, LoweringSite at) {
        Attribute keep = Attribute.of("keepdims", 1);
        String axes = at.ints(op.axis());
        String most = at.node(
                "Max", at.node("ReduceMax", at.input(0), axes, keep), at.node("ReduceSum", at.input(0), axes, keep));
        String masked = at.node("Equal", most, at.scalar(Double.NEGATIVE_INFINITY));
        return at.where(masked, at.scalar(0), at.all("Softmax", Attribute.of("axis", op.axis())));
    }

    // The runtime's own loses NaN in float64.
    private static String logSoftmax(Op.LogSoftmax op, LoweringSite at) {
        if (at.dtype() == DType.FLOAT32) {
            return at.all("LogSoftmax", Attribute.of("axis", op.axis()));
        }
        Attribute keep = Attribute.of("keepdims", 1);
        String axes = at.ints(op.axis());
        String shifted = at.node("Sub", at.input(0), at.node("ReduceMax", at.input(0), axes, keep));
        String sum = at.node("ReduceSum", at.node("Exp", shifted), axes, keep);
        return at.node("Sub", shifted, at.node("Log", sum));
    }
}
