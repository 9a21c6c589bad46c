package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.function.Predicate;
import org.apiguardian.api.API;

/** Who reads which value of a graph, and what is needed for what. Hook points are looked through nowhere. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Uses {

    private final Graph graph;
    private final List<List<Value>> users;

    private Uses(Graph graph, List<List<Value>> users) {
        this.graph = graph;
        this.users = users;
    }

    /** The uses in a graph. */
    public static Uses of(Graph graph) {
        List<List<Value>> users = new ArrayList<>(graph.values().size());
        graph.values().forEach(value -> users.add(new ArrayList<>(2)));
        for (Value value : graph.values()) {
            for (Value operand : value.operands()) {
                users.get(operand.id()).add(value);
            }
        }
        return new Uses(graph, users);
    }

    /** The values made directly from one; twice where it is two operands. */
    public List<Value> of(Value value) {
        return users.get(value.id());
    }

    /** The ids of everything that is made from the given values, themselves included. */
    public BitSet below(Collection<Value> from) {
        BitSet reached = new BitSet(users.size());
        Deque<Value> open = new ArrayDeque<>(from);
        while (!open.isEmpty()) {
            Value value = open.pop();
            if (!reached.get(value.id())) {
                reached.set(value.id());
                open.addAll(of(value));
            }
        }
        return reached;
    }

    /**
     * What has to be known beside a value, for the outputs to be made from there on: the last hook points before whatever
     * else is read by what is made from the value. What has no such point before it is made from inputs and weights anew.
     *
     * @param point which hook points there are to stop at
     * @return in the order in which they fire
     */
    public List<HookPoint> frontier(Value from, Predicate<HookPoint> point) {
        BitSet made = below(List.of(from));
        made.and(above(graph.outputs().values()));
        made.clear(from.id());
        Deque<Value> open = new ArrayDeque<>();
        made.stream().forEach(id -> open.addAll(graph.values().get(id).operands()));
        made.set(from.id());
        BitSet found = new BitSet();
        while (!open.isEmpty()) {
            Value value = open.pop();
            if (!made.get(value.id())) {
                made.set(value.id());
                if (value.source() instanceof Value.Hooked hooked && point.test(hooked.point())) {
                    found.set(value.id());
                } else {
                    open.addAll(value.operands());
                }
            }
        }
        return graph.hooks().values().stream()
                .filter(value -> found.get(value.id()))
                .map(value -> ((Value.Hooked) value.source()).point())
                .toList();
    }

    /**
     * What can be freed after each of some steps that run one after another: what no later one touches.
     *
     * @param touched for each step the numbers of what it reads and writes
     * @param kept numbers of what is never freed
     */
    public static List<int[]> freedAfter(List<BitSet> touched, BitSet kept) {
        BitSet later = (BitSet) kept.clone();
        Deque<int[]> freed = new ArrayDeque<>();
        for (int i = touched.size() - 1; i >= 0; i--) {
            BitSet free = (BitSet) touched.get(i).clone();
            free.andNot(later);
            later.or(free);
            freed.addFirst(free.stream().toArray());
        }
        return List.copyOf(freed);
    }

    /** The ids of everything that the given values are made from, themselves included. */
    public static BitSet above(Collection<Value> wanted) {
        BitSet needed = new BitSet();
        Deque<Value> open = new ArrayDeque<>(wanted);
        while (!open.isEmpty()) {
            Value value = open.pop();
            if (!needed.get(value.id())) {
                needed.set(value.id());
                open.addAll(value.operands());
            }
        }
        return needed;
    }
}
