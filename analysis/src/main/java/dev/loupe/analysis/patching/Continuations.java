package dev.loupe.analysis.patching;

import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Feed;
import dev.loupe.graph.pass.TakeShortcuts;
import dev.loupe.graph.pass.Uses;
import dev.loupe.model.HookedTransformer;
import java.util.ArrayList;
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
    private final Way plain;
    private final BitSet onPlainWay;
    private final Map<String, Continuation> known = new HashMap<>();
    private final Map<Integer, Set<String>> keySides = new HashMap<>();

    Continuations(HookedTransformer model) {
        graph = model.graph();
        names = model.hookNames();
        plain = Way.of(graph, Set.of());
        onPlainWay = Uses.above(plain.graph().outputs().values());
    }

    /** The way that a run takes. */
    private record Way(Graph graph, Uses uses) {

        static Way of(Graph graph, Set<String> fed) {
            Graph taken = new TakeShortcuts(Set.of(), false).apply(new Feed(fed).apply(graph));
            return new Way(taken, Uses.of(taken));
        }

        Value value(String point) {
            return Objects.requireNonNull(graph.hooks().get(point), point);
        }

        /** What is made from any of some points, themselves included. */
        BitSet below(List<String> points) {
            return uses.below(points.stream().map(this::value).toList());
        }

        boolean has(BitSet values, String point) {
            return values.get(value(point).id());
        }
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
        // Who changes an optional point takes the way on which it lies.
        Way way = plain.has(onPlainWay, name) ? plain : Way.of(graph, Set.of(name));
        BitSet below = way.below(List.of(name));
        List<String> beside = way.uses().frontier(way.value(name), point -> !point.optional()).stream()
                .map(HookPoint::name)
                .toList();
        int layer = names.resolve(name).layer();
        if (layer < 0) {
            int first = graph.hookPoints().stream()
                    .filter(point -> way.has(below, point.name()))
                    .mapToInt(HookPoint::layer)
                    .filter(block -> block >= 0)
                    .min()
                    .orElse(-1);
            return new Continuation(name, beside, first, false, false);
        }
        boolean local = keySide(layer).stream().noneMatch(key -> way.has(below, key));
        String heads = heads(layer);
        // What attention makes isn't made from the point, or is the point itself.
        boolean pastAttention = heads.equals(name) || names.has(heads) && !way.has(below, heads);
        return new Continuation(name, beside, layer, local, pastAttention);
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
        List<HookPoint> points = graph.hookPoints().stream()
                .filter(point -> point.layer() == layer)
                .toList();
        List<String> kept = new ArrayList<>();
        List<String> looking = new ArrayList<>();
        for (HookPoint point : points) {
            String name = point.name();
            if (name.equals(BaseRun.keys(layer)) || name.equals(BaseRun.values(layer))) {
                kept.add(name);
            } else if (name.equals(heads(layer)) || point.isAttention()) {
                looking.add(name);
            }
        }
        BitSet made = plain.below(kept);
        made.andNot(plain.below(looking));
        Set<String> side = new HashSet<>();
        points.stream()
                .map(HookPoint::name)
                .filter(name -> plain.has(made, name))
                .forEach(side::add);
        return side;
    }

    private static String heads(int layer) {
        return "blocks." + layer + ".attn.hook_z";
    }
}
