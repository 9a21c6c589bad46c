package dev.loupe.graph.pass;

import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import dev.loupe.graph.Value;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The table: each kind of operation and its derivative. A composite operation that is not worth a line of its own has
 * the derivative of its decomposition.
 *
 * <p>Choices at kinks: the derivative of relu and of |x| at 0 is 0; several largest or smallest numbers share the
 * derivative equally; what is picked (by top-k, gather, where, slices) gets it. What gives whole numbers or truth values
 * has none, nor have rounding and the sign.
 */
final class Vjps {

    private static final OpTable<VjpSite, List<@Nullable Value>> TABLE = new OpTable<>();

    /** Operations whose derivative is zero wherever there is one. */
    private static final Set<Class<? extends Op>> CONSTANT = Set.of(Op.Full.class, Op.ArgReduce.class);

    static {
        ElementwiseVjps.enter();
        ReductionVjps.enter();
        MovementVjps.enter();
        FusedVjps.enter();
        CONSTANT.forEach(type -> enter(type, (op, at) -> List.of()));
    }

    private Vjps() {}

    static <T extends Op> void enter(Class<T> type, Vjp<T> vjp) {
        TABLE.line(type, vjp::pull);
    }

    static <T extends Op> void enterOne(Class<T> type, Vjp.OfOne<T> vjp) {
        enterSeveral(type, (op, at, g) -> Collections.singletonList(vjp.pull(op, at, g)));
    }

    static <T extends Op> void enterSeveral(Class<T> type, Vjp.OfSeveral<T> vjp) {
        enter(type, (op, at) -> {
            Value g = at.gradients().get(0);
            return g == null ? List.of() : vjp.pull(op, at, g);
        });
    }

    /** Whether there is a line for a kind of operation. */
    static boolean has(Class<? extends Op> type) {
        return TABLE.kinds().contains(type);
    }

    /** How many kinds of operations there are lines for. */
    static int size() {
        return TABLE.kinds().size();
    }

    /**
     * Adds the derivatives of an operation to the graph.
     *
     * @return one for each input, null where it is zero or not needed
     */
    static List<@Nullable Value> pull(Op op, VjpSite at) {
        return TABLE.apply(op, at);
    }
}
