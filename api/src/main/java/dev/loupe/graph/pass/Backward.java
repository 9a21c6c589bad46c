package dev.loupe.graph.pass;

import dev.loupe.array.DType;
import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.BinaryOperator;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The walk back from seeds to wanted values (reverse-mode differentiation): operations in the opposite of their order,
 * each once everything that reads it is done. Only what lies between the two is walked through, and what it adds goes
 * into the graph that the values stand in.
 */
final class Backward {

    private final GraphBuilder b;
    private final List<Value> values;
    private final Set<Value> wanted;
    private final Map<Value, Value> seeds = new HashMap<>();
    private final Map<Value, Value> twins = new HashMap<>();
    private final BitSet main = new BitSet();
    private final Map<List<Dim>, Value> bySizes = new LinkedHashMap<>();
    private final BitSet active = new BitSet();
    private final Map<Value, List<Contribution>> contributions = new HashMap<>();
    private final Map<Value, Value> gradients = new HashMap<>();
    private Consumer<Value> enterRegion = value -> {};
    private BinaryOperator<Value> atWanted = (value, gradient) -> gradient;
    private Set<Value> leaves = Set.of();

    /** What one reader adds to the derivative of a value, and the region in which it stands. */
    private record Contribution(Value gradient, String region) {}

    /**
     * A walk through what has been built so far.
     *
     * @param wanted values whose derivatives are wanted
     */
    Backward(GraphBuilder b, Collection<Value> wanted) {
        this.b = b;
        this.values = new ArrayList<>(b.values());
        this.wanted = new HashSet<>(wanted);
    }

    /** Starts at a value with the derivative of the scalar with respect to it. */
    void seed(Value value, Value gradient) {
        seeds.put(value, gradient);
    }

    /**
     * Says that a value equals another one, which is read in its place: it takes over the derivative, for the sake of
     * wanted values that lie behind it alone.
     */
    void twin(Value unread, Value read) {
        twins.put(unread, read);
    }

    /** Values that are looked behind nowhere. */
    void leaves(Collection<Value> ends) {
        leaves = new HashSet<>(ends);
    }

    /** What to do before derivatives that belong to a value are added: go to a region. */
    void beforeEach(Consumer<Value> action) {
        enterRegion = action;
    }

    /** What becomes of the derivative at a wanted value: the outcome flows on. */
    void atWanted(BinaryOperator<Value> action) {
        atWanted = action;
    }

    /** The derivative with respect to a wanted value; null if the scalar doesn't depend on it. */
    @Nullable
    Value gradient(Value value) {
        return gradients.get(value);
    }

    /** Adds the derivatives to the graph. */
    void run() {
        main.or(Uses.above(seeds.keySet()));
        main.stream()
                .mapToObj(values::get)
                .forEach(value -> bySizes.putIfAbsent(List.of(value.type().dims()), value));
        findActive();
        walk();
    }

    // A value is active if it lies between a wanted value and a seed: among what the seeds are made of, or among what a
    // twin is made of and they aren't. What a twin takes its derivative from is wanted for its sake.
    private void findActive() {
        BitSet side = Uses.above(twins.keySet());
        side.andNot(main);
        Set<Value> ends = new HashSet<>(wanted);
        boolean settled = false;
        while (!settled) {
            findActive(side, ends);
            settled = true;
            for (Map.Entry<Value, Value> twin : twins.entrySet()) {
                if (active.get(twin.getKey().id()) && ends.add(twin.getValue())) {
                    settled = false;
                }
            }
        }
    }

    private void findActive(BitSet side, Set<Value> ends) {
        for (Value value : values) {
            int id = value.id();
            boolean leads = ends.contains(value);
            if (letsThrough(value)) {
                for (Value operand : value.operands()) {
                    leads |= active.get(operand.id()) && main.get(operand.id()) == main.get(id);
                }
            }
            if ((main.get(id) || side.get(id)) && leads && value.type().dtype().isFloating()) {
                active.set(id);
            }
        }
    }

    private void walk() {
        Map<Integer, Integer> readers = new HashMap<>();
        for (Value value : values) {
            if (active.get(value.id())) {
                flows(value).forEach(operand -> readers.merge(site(operand), 1, Integer::sum));
            }
        }
        twins.forEach((unread, read) -> {
            if (active.get(unread.id())) {
                readers.merge(site(unread), 1, Integer::sum);
            }
        });
        PriorityQueue<Integer> ready = new PriorityQueue<>((x, y) -> Integer.compare(y, x));
        Set<Integer> sites = new HashSet<>();
        for (Value value : values) {
            if (active.get(value.id()) && sites.add(site(value)) && !readers.containsKey(site(value))) {
                ready.add(site(value));
            }
        }
        while (!ready.isEmpty()) {
            int site = ready.remove();
            List<Value> outputs = values.get(site).siblings(values);
            enterRegion.accept(outputs.get(0));
            step(outputs);
            for (Value output : outputs) {
                if (!active.get(output.id())) {
                    continue;
                }
                List<Value> next = new ArrayList<>(flows(output));
                twins.forEach((unread, read) -> {
                    if (read.equals(output) && active.get(unread.id())) {
                        next.add(unread);
                    }
                });
                for (Value operand : next) {
                    if (readers.merge(site(operand), -1, Integer::sum) == 0) {
                        ready.add(site(operand));
                    }
                }
            }
        }
    }

    /** The active operands of a value, as often as it reads them, that its derivative flows to. */
    private List<Value> flows(Value value) {
        return value.operands().stream()
                .filter(operand -> flowsTo(value, operand))
                .toList();
    }

    private static int site(Value value) {
        return value.source() instanceof Value.Result result ? value.id() - result.output() : value.id();
    }

    private void step(List<Value> outputs) {
        List<@Nullable Value> at = new ArrayList<>();
        boolean any = false;
        for (Value output : outputs) {
            @Nullable Value gradient = total(output);
            if (gradient != null && wanted.contains(output)) {
                gradient = atWanted.apply(output, gradient);
            }
            if (gradient != null) {
                gradients.put(output, gradient);
                any = true;
            }
            at.add(gradient);
        }
        if (any) {
            pull(outputs, at);
        }
    }

    private void pull(List<Value> outputs, List<@Nullable Value> at) {
        Value first = outputs.get(0);
        Value gradient = at.get(0);
        if (first.source() instanceof Value.Hooked hooked && gradient != null) {
            contribute(first, hooked.input(), gradient);
        } else if (first.source() instanceof Value.Result result) {
            List<Value> inputs = result.inputs();
            VjpSite site = new VjpSite(
                    b, inputs, outputs, at, i -> i < inputs.size() && flowsTo(first, inputs.get(i)), this::alike);
            List<@Nullable Value> pulled = Vjps.pull(result.op(), site);
            for (int i = 0; i < pulled.size(); i++) {
                Value contribution = pulled.get(i);
                if (contribution != null && flowsTo(first, inputs.get(i))) {
                    contribute(first, inputs.get(i), contribution);
                }
            }
        }
    }

    private boolean flowsTo(Value reader, Value operand) {
        return active.get(operand.id()) && main.get(operand.id()) == main.get(reader.id()) && letsThrough(reader);
    }

    private boolean letsThrough(Value value) {
        boolean differentiable = value.source() instanceof Value.Result || value.source() instanceof Value.Hooked;
        return differentiable && !leaves.contains(value);
    }

    // The first value of these sizes that is computed in any case, or one that is made of what is.
    private Value alike(Value value) {
        Value known = bySizes.get(List.of(value.type().dims()));
        int last = value.type().rank() - 1;
        if (known != null
                || main.get(value.id())
                || last < 1
                || !value.type().dim(last).isFixed()) {
            return known == null ? value : known;
        }
        List<Dim> leading = List.of(value.type().dims()).subList(0, last);
        return bySizes.entrySet().stream()
                .filter(entry -> entry.getKey().size() == last + 1
                        && entry.getKey().subList(0, last).equals(leading)
                        && entry.getKey().get(last).isFixed())
                .map(entry -> b.expand(
                        b.slice(entry.getValue(), last, 0, 1),
                        last,
                        value.type().dim(last).value()))
                .findFirst()
                .orElse(value);
    }

    // What stands in one region is added up there, so that the next region reads one value.
    private void contribute(Value from, Value to, Value gradient) {
        if (!gradient.type().equals(to.type())) {
            throw new IllegalStateException(
                    "The derivative of " + from + " with respect to " + to + " is of type " + gradient.type());
        }
        List<Contribution> list = contributions.computeIfAbsent(to, key -> new ArrayList<>());
        int last = list.size() - 1;
        if (last >= 0 && list.get(last).region().equals(from.region())) {
            list.set(last, new Contribution(sum(list.get(last).gradient(), gradient), from.region()));
        } else {
            list.add(new Contribution(gradient, from.region()));
        }
    }

    private @Nullable Value total(Value value) {
        List<Value> parts = new ArrayList<>();
        Value seed = seeds.get(value);
        if (seed != null) {
            parts.add(seed);
        }
        Value twin = twins.get(value);
        if (twin != null && gradients.get(twin) != null) {
            parts.add(gradients.get(twin));
        }
        contributions.getOrDefault(value, List.of()).forEach(part -> parts.add(part.gradient()));
        contributions.remove(value);
        return parts.stream()
                .reduce(this::sum)
                .map(sum -> b.cast(sum, value.type().dtype()))
                .orElse(null);
    }

    // Sixteen bits are too few to add in: what is small next to the sum so far would be lost.
    private Value sum(Value one, Value other) {
        DType wide = one.type().dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
        return b.add(b.cast(one, wide), b.cast(other, wide));
    }
}
