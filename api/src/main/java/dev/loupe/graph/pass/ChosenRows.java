package dev.loupe.graph.pass;

import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Some positions of what is computed position by position, such as logits: the same numbers come out of those positions of
 * what it is computed from. So a metric that reads one position's logits neither computes nor differentiates those of all
 * others.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ChosenRows {

    private static final Set<Class<? extends Op>> ELEMENTWISE =
            Set.of(Op.Unary.class, Op.Binary.class, Op.Cast.class, Op.Activation.class);

    private final GraphBuilder b;
    private final UnaryOperator<Expr> choose;

    private ChosenRows(GraphBuilder b, UnaryOperator<Expr> choose) {
        this.b = b;
        this.choose = choose;
    }

    /**
     * The chosen positions of a value, with a {@link Shortcut} that takes them before its last product with a weight, if
     * nothing but elementwise operations lies in between.
     *
     * @param value [batch, pos, …]
     * @param choose takes positions of any such value; it reads nothing else of it than sizes
     */
    public static Expr of(Expr value, UnaryOperator<Expr> choose) {
        Expr chosen = choose.apply(value);
        Value early = new ChosenRows(value.builder(), choose).rows(value.value());
        if (early == null || !early.type().equals(chosen.type())) {
            return chosen;
        }
        return new Expr(
                value.builder(), value.builder().shortcut(chosen.value(), early, Shortcut.Kind.DETOUR_UNLESS_EDITED));
    }

    private @Nullable Value rows(Value value) {
        if (value.source() instanceof Value.Hooked hooked) {
            return rows(hooked.input());
        }
        return value.source() instanceof Value.Result result ? rows(result) : null;
    }

    private @Nullable Value rows(Value.Result result) {
        boolean product = result.op().isProduct();
        boolean elementwise = ELEMENTWISE.contains(result.op().getClass());
        if (!product && !elementwise) {
            return null;
        }
        List<Value> operands = new ArrayList<>();
        for (int i = 0; i < result.inputs().size(); i++) {
            Value operand = result.inputs().get(i);
            Value taken = product && i == 0
                    ? choose.apply(new Expr(b, operand)).value()
                    : operand.type().isFixed() ? sameForAll(operand, product) : elementwise ? rows(operand) : null;
            if (taken == null) {
                return null;
            }
            operands.add(taken);
        }
        return b.applyAll(result.op(), operands).get(result.output());
    }

    /** What doesn't depend on positions: numbers, weights, and weights that are widened from 16 bits. */
    private @Nullable Value sameForAll(Value value, boolean weight) {
        if (value.source() instanceof Value.Result result) {
            if (result.op() instanceof Op.Full full) {
                return b.apply(full);
            }
            boolean widened =
                    result.op() instanceof Op.Cast && result.inputs().get(0).source() instanceof Value.Weight;
            return weight && widened
                    ? b.cast(result.inputs().get(0), value.type().dtype())
                    : null;
        }
        return weight && value.source() instanceof Value.Weight ? value : null;
    }
}
