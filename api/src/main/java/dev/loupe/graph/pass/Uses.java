package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import org.apiguardian.api.API;

/** Who reads which value of a graph, and what is needed for what. Hook points are looked through nowhere. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Uses {

    private final List<List<Value>> users;

    private Uses(List<List<Value>> users) {
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
        return new Uses(users);
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
