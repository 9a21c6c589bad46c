package dev.loupe.graph;

import org.apiguardian.api.API;

/**
 * A function of an activation that becomes part of the graph: an intervention, a metric, an autoencoder. Two functions
 * that are {@linkplain Object#equals equal} build the same: runs that differ in nothing else then share one plan, so
 * a record serves better than a lambda.
 */
@FunctionalInterface
@API(status = API.Status.STABLE, since = "0.1")
public interface GraphFunction {

    /**
     * Adds what computes the result to the graph.
     *
     * @param activation the value that the function is applied to
     * @param scope what else of the graph there is
     * @return of the activation's own type, where the function takes the activation's place
     */
    Expr apply(Expr activation, Scope scope);
}
