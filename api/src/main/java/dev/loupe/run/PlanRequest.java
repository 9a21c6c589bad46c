package dev.loupe.run;

import java.util.Set;

/**
 * What a run asks of a graph, by name.
 *
 * @param inputs graph inputs that are given
 * @param fed hook points whose incoming value is given
 * @param observed hook points whose outgoing value is wanted
 * @param edited hook points at which functions run
 * @param outputs graph outputs that are wanted
 */
public record PlanRequest(
        Set<String> inputs, Set<String> fed, Set<String> observed, Set<String> edited, Set<String> outputs) {

    /** Copies the sets. */
    public PlanRequest {
        inputs = Set.copyOf(inputs);
        fed = Set.copyOf(fed);
        observed = Set.copyOf(observed);
        edited = Set.copyOf(edited);
        outputs = Set.copyOf(outputs);
    }
}
