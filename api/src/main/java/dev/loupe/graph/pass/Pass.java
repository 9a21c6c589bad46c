package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import org.apiguardian.api.API;

/** A step from one graph to another that computes what is wanted of it. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface Pass {

    /** The graph after this step; the given one itself where there is nothing to do. */
    Graph apply(Graph graph);

    /** This step, then another. */
    default Pass then(Pass next) {
        return graph -> next.apply(apply(graph));
    }
}
