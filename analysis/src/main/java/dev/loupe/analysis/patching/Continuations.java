package dev.loupe.analysis.patching;

import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Uses;
import dev.loupe.model.HookedTransformer;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** How runs of a model go on from its hook points, as its graph says. */
final class Continuations {

    private final Graph graph;
    private final HookNames names;
    private final Uses uses;
    private final Map<String, Continuation> known = new HashMap<>();
    private final Map<Integer, Set<String>> keySides = new HashMap<>();

    Continuations(HookedTransformer model) {
        graph = model.graph();
        names = model.hookNames();
        uses = Uses.of(graph);
    }

    /**
     * How a run goes on from a point.
     *
     * @param point its full name
     */
    Continuation from(String point) {
        Continuation before = known.get(point);
        if (before == null) {
            before = find(point);
            known.put(point, before);
        }
        return before;
    }

    private Continuation find(String name) {
        HookPoint point = names.resolve(name);
        Value value = value(name);
        BitSet below = below(name);
        List<String> beside = uses.frontier(value, other -> !other.optional()).stream()
                .map(HookPoint::name)
                .toList();
        int layer = point.layer();
        boolean local = false;
        boolean pastAttention = false;
        if (layer >= 0) {
            pastAttention = isPastAttention(name, layer, below);
            local = keySide(layer).stream()
                    .noneMatch(key -> below.get(value(key).id()));
        } else {
            layer = graph.hookPoints().stream()
                    .filter(other -> below.get(value(other.name()).id()))
                    .mapToInt(HookPoint::layer)
                    .filter(block -> block >= 0)
                    .min()
                    .orElse(-1);
        }
        return new Continuation(name, beside, layer, local, pastAttention);
    }

    /** What attention makes isn't made from the point, or is the point itself. */
    private boolean isPastAttention(String name, int layer, BitSet below) {
        String heads = heads(layer);
        return heads.equals(name) || names.has(heads) && !below.get(value(heads).id());
    }

    /** Whether an activation spans earlier positions too when a run has a past: what is made from keys does. */
    boolean spansPast(HookPoint point) {
        int layer = point.layer();
        return layer >= 0
                && !point.name().equals(BaseRun.keys(layer))
                && !point.name().equals(BaseRun.values(layer))
                && keySide(layer).contains(point.name());
    }

    /** The points of a block's keys and values, and of what is made from them up to where they are looked at. */
    private Set<String> keySide(int layer) {
        return keySides.computeIfAbsent(layer, this::findKeySide);
    }

    private Set<String> findKeySide(int layer) {
        BitSet looked = new BitSet();
        BitSet made = new BitSet();
        for (String source : List.of(BaseRun.keys(layer), BaseRun.values(layer))) {
            if (names.has(source)) {
                made.or(below(source));
            }
        }
        if (names.has(heads(layer))) {
            looked.or(below(heads(layer)));
        }
        for (HookPoint point : graph.hookPoints()) {
            if (point.layer() == layer && point.isAttention()) {
                looked.or(below(point.name()));
            }
        }
        Set<String> side = new HashSet<>();
        for (HookPoint point : graph.hookPoints()) {
            int id = value(point.name()).id();
            if (point.layer() == layer && made.get(id) && !looked.get(id)) {
                side.add(point.name());
            }
        }
        return side;
    }

    private static String heads(int layer) {
        return "blocks." + layer + ".attn.hook_z";
    }

    private BitSet below(String point) {
        return uses.below(List.of(value(point)));
    }

    private Value value(String point) {
        return Objects.requireNonNull(graph.hooks().get(point), point);
    }
}
