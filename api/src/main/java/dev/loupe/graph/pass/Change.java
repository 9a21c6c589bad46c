package dev.loupe.graph.pass;

import dev.loupe.graph.GraphFunction;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/** What happens to an activation at a hook point. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public sealed interface Change {

    /** A copy of changes by point, in their order, that nobody can alter. */
    static Map<String, List<Change>> copyOf(Map<String, List<Change>> changes) {
        Map<String, List<Change>> copy = new LinkedHashMap<>();
        changes.forEach((point, list) -> copy.put(point, List.copyOf(list)));
        return Collections.unmodifiableMap(copy);
    }

    /**
     * Java code, which no pass sees into.
     *
     * @param number which of the point's pieces of code it is, from 0
     */
    record Code(int number) implements Change {}

    /** A function that becomes part of the graph. */
    record Function(GraphFunction function) implements Change {}
}
