package dev.loupe.graph;

import java.util.Set;
import org.apiguardian.api.API;

/**
 * Says that {@code replacement} equals {@code target} as long as nobody interferes at the hook points that
 * it passes by. A graph describes the way on which every hook point lies; shortcuts let a run take a faster
 * one where nobody is looking.
 *
 * @param target the value on the full way
 * @param replacement the value on the short way
 * @param bypassed names of the hook points that lie before the target but not before the replacement
 * @param exclusive names of the hook points that lie before the replacement but not before the target
 * @param kind when the short way may be taken
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Shortcut(Value target, Value replacement, Set<String> bypassed, Set<String> exclusive, Kind kind) {

    /** When a shortcut may be taken. */
    public enum Kind {
        /**
         * A fused operation: taken when no bypassed point is observed or edited, by backends that gain from
         * it. A compiling backend, which fuses by itself, stays on the full way.
         */
        FUSION,
        /**
         * The way round optional points: taken by every backend unless a bypassed point is observed or
         * edited.
         */
        DETOUR_UNLESS_TOUCHED,
        /** As above, but observing doesn't matter: the point is then computed on the side. */
        DETOUR_UNLESS_EDITED
    }
}
