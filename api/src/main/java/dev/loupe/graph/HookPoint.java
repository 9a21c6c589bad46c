package dev.loupe.graph;

import java.util.List;
import java.util.function.Predicate;
import org.apiguardian.api.API;

/**
 * A named place in a model where an activation can be read or changed.
 *
 * @param name the full name: {@code blocks.3.attn.hook_pattern}
 * @param optional whether the point lies off the way that a plain run takes; it is computed when, and only
 *     when, it is asked for
 * @param axes what each axis of the activation counts
 */
@API(status = API.Status.STABLE, since = "0.1")
public record HookPoint(String name, boolean optional, List<Axis> axes) {

    private static final String GRADIENT = "_grad";

    /** Copies the list. */
    public HookPoint {
        axes = List.copyOf(axes);
    }

    /** A point on the way of every run. */
    public static HookPoint of(String name, Axis... axes) {
        return new HookPoint(name, false, List.of(axes));
    }

    /** A point off the way of a plain run. */
    public static HookPoint optional(String name, Axis... axes) {
        return new HookPoint(name, true, List.of(axes));
    }

    /** The point in the backward part of a run at which the derivative with respect to what leaves this one is known. */
    public HookPoint gradient() {
        return new HookPoint(gradientOf(name), optional, axes);
    }

    /** The name of {@link #gradient} of the point of a name: {@code blocks.3.hook_mlp_out_grad}. */
    public static String gradientOf(String name) {
        return name + GRADIENT;
    }

    /** The layer in the name, or −1 if the point belongs to no block. */
    public int layer() {
        if (!name.startsWith("blocks.")) {
            return -1;
        }
        int end = name.indexOf('.', "blocks.".length());
        return end < 0 ? -1 : Integer.parseInt(name.substring("blocks.".length(), end));
    }

    /** The number of the first axis of a kind, or −1 if the activation has none. */
    public int axis(Predicate<Axis> kind) {
        for (int i = 0; i < axes.size(); i++) {
            if (kind.test(axes.get(i))) {
                return i;
            }
        }
        return -1;
    }

    /** The number of the axis that counts positions, the reading ones in scores and patterns; −1 if there is none. */
    public int positionAxis() {
        return axis(Axis::isPosition);
    }

    /** The number of the axis that counts heads, or −1 if there is none. */
    public int headAxis() {
        return axis(Axis::isHead);
    }

    /** Whether the activation says who looks where: it has a query and a key axis. */
    public boolean isAttention() {
        return axes.contains(Axis.QUERY) && axes.contains(Axis.KEY);
    }

    @Override
    public String toString() {
        return name;
    }
}
