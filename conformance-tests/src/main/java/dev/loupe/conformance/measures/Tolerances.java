package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.Precision;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** How far an operation's result may lie from the reference's, and why so far: the table that SPEC.md prints. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Tolerances {

    private static final List<Row> ROWS = List.of(
            new Row(
                    "add, sub, mul, div, sqrt",
                    1,
                    0,
                    false,
                    "–",
                    "IEEE 754 asks for half a unit; a fused form has one"),
            new Row("reciprocal, rsqrt", 2, 0, false, "–", "one or two rounded operations"),
            new Row("exp, log", 4, 0, false, "–", "vectorised libraries give 1 to 4 units"),
            new Row("pow", 16, 0, false, "–", "exp of a product with a logarithm; CUDA documents 9 units"),
            new Row(
                    "tanh, erf, sin",
                    0,
                    8,
                    false,
                    "min(1, |x|)",
                    "range 1, and the argument near 0: rational approximations are good to some units of that"),
            new Row("sigmoid, cos", 0, 8, false, "1", "range 1: units of 1, so that tails may be cut off"),
            new Row(
                    "reduce_sum, cumsum",
                    1,
                    0,
                    true,
                    "Σ|x|",
                    "each addition rounds: length/2 units of the sum of terms"),
            new Row("scatter_add", 1, 0, true, "|x| + Σ|updates|", "as reduce_sum; length = updates along the axis"),
            new Row(
                    "gelu_gradient, gelu_tanh_gradient, quick_gelu_gradient, silu_gradient",
                    2,
                    16,
                    false,
                    "|g|·(1 + min(|x|, 8)³/8)",
                    "g times a function of range 1; in its tails 1 − tanh² is off by eps, times about x³/8"),
            new Row("softmax_gradient", 2, 4, true, "|y|·(|g| + Σ|g·y|)", "a sum of products, a difference, a product"),
            new Row(
                    "log_softmax_gradient",
                    2,
                    4,
                    true,
                    "|g| + e^y·(1 + |y|)·Σ|g|",
                    "exp of a rounded number, a sum, a product, a difference"),
            new Row(
                    "layer_norm_gradient, rms_norm_gradient",
                    2,
                    4,
                    true,
                    "(|g| + mean|g| + (|y| + (|x| + mean|x|)/σ·(1 + κ))·mean|g·y|)/σ",
                    "a norm, two means over the last axis, differences; κ as in layer_norm, 0 without centring"),
            new Row("reduce_mean", 2, 0, true, "mean |x|", "as reduce_sum, and a division"),
            new Row("reduce_prod", 1, 1, true, "|expected|", "each multiplication rounds"),
            new Row("matmul", 1, 0, true, "Σ|a·b|", "each product is added: length/2 units of the sum of terms"),
            new Row(
                    "linear",
                    1,
                    1,
                    true,
                    "Σ|x·w| + |b|",
                    "as matmul; the product may be rounded before the bias is added"),
            new Row(
                    "softmax",
                    4,
                    4,
                    true,
                    "p·(1 + |x − max|)",
                    "exp of a rounded difference: its error grows with the difference; then a sum and a division"),
            new Row(
                    "log_softmax",
                    1,
                    4,
                    true,
                    "1 + |x − max| + |x|",
                    "a rounded difference, a sum of exps, a logarithm of at most the length"),
            new Row(
                    "gelu, gelu_tanh, quick_gelu, silu",
                    2,
                    8,
                    false,
                    "|x|",
                    "x times a function of range 1, itself good to 8 units of 1"),
            new Row(
                    "layer_norm",
                    2,
                    4,
                    true,
                    "((|x| + mean|x|)/σ·(1 + κ) + |y|)·|w| + |b|",
                    "mean and variance are sums over the last axis; κ = mean²/σ² is how ill-conditioned the variance is"),
            new Row("rms_norm", 2, 4, true, "|expected|", "a sum of squares, a root, a division, a product"),
            new Row("rotate", 1, 2, false, "|x1·cos| + |x2·sin|", "two products and a sum"),
            new Row(
                    "attention",
                    2,
                    8,
                    true,
                    "Σ p·|v|·(1 + S)",
                    "softmax of scores with S = max over keys of scale·Σ|q·k| units of error; then a weighted sum; "
                            + "length = keys + d_head"));

    private static final Map<String, Row> BY_OPERATION = byOperation();

    /**
     * One line of the table.
     *
     * @param operations names of the operations it holds for
     * @param units eps of the expected number
     * @param steps eps of the magnitude
     * @param byLength whether half the length of the reduction counts, too
     * @param magnitude the magnitude in a formula
     * @param ground why so much
     */
    record Row(String operations, double units, double steps, boolean byLength, String magnitude, String ground) {

        /** The bound for elements of a floating type. */
        double[] bound(DType type, HostTensor expected, double[] magnitudes, long length) {
            double eps = Precision.eps(type);
            double perTerm = byLength ? Precision.accumulatorEps(type) * length / 2 : 0;
            double twice = type == DType.FLOAT64 ? 2 : 1;
            double[] bound = new double[magnitudes.length];
            for (int i = 0; i < bound.length; i++) {
                double value = Math.abs(expected.getDouble(i));
                double own = Double.isFinite(value) ? units * eps * value : 0;
                double rest = (steps * eps + perTerm) * magnitudes[i];
                bound[i] = twice * (own + (Double.isFinite(rest) ? rest : 0)) + Precision.smallestNormal(type);
            }
            return bound;
        }
    }

    private Tolerances() {}

    /** The line for an operation; null if it is exact. */
    public static @Nullable Row of(String operation) {
        return BY_OPERATION.get(operation);
    }

    /**
     * How far each element of an output may lie from what is expected; null if it must be equal.
     *
     * @param type the data type of what was found
     */
    public static double @Nullable [] allowed(OpCase one, HostTensor expected, DType type, Oracle oracle) {
        Row row = of(one.op().name());
        if (!type.isFloating()) {
            return null;
        }
        if (row == null) {
            return one.op() instanceof dev.loupe.graph.Op.Cast ? castBound(one, expected, type) : null;
        }
        Magnitudes.Found magnitudes = Magnitudes.of(one, expected, oracle);
        return row.bound(type, expected, magnitudes.values(), magnitudes.length());
    }

    /** Narrowing by way of another type rounds twice, which is allowed where a detour is usual. */
    private static double @Nullable [] castBound(OpCase one, HostTensor expected, DType type) {
        DType from = one.inputs().get(0).dtype();
        boolean detour = type.bytes() == 2 && (from == DType.FLOAT64 || from.isInteger())
                || type == DType.FLOAT32 && from == DType.INT64;
        if (!detour) {
            return null;
        }
        double[] bound = new double[(int) expected.shape().elements()];
        for (int i = 0; i < bound.length; i++) {
            double value = expected.getDouble(i);
            bound[i] = Double.isFinite(value) ? Precision.ulp(value, type) : 0;
        }
        return bound;
    }

    private static Map<String, Row> byOperation() {
        Map<String, Row> map = new TreeMap<>();
        for (Row row : ROWS) {
            for (String name : row.operations().split(", ", -1)) {
                map.put(name, row);
            }
        }
        return map;
    }

    /** The table as SPEC.md shows it. */
    public static String markdown() {
        StringBuilder table = new StringBuilder("| operations | units | steps | length counts | M | ground |\n");
        table.append("| --- | --- | --- | --- | --- | --- |\n");
        for (Row row : ROWS) {
            table.append(String.format(
                    Locale.ROOT,
                    "| %s | %.0f | %.0f | %s | %s | %s |%n",
                    row.operations(),
                    row.units(),
                    row.steps(),
                    row.byLength() ? "yes" : "no",
                    row.magnitude().replace("|", "\\|"),
                    row.ground()));
        }
        return table.toString().replace("\r\n", "\n");
    }
}
