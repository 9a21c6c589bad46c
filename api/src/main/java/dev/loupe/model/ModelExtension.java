package dev.loupe.model;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.GraphFunction;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Something that becomes part of a model's graph for good: functions at hook points, with the weights that they read.
 * See {@link HookedTransformer#with}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface ModelExtension {

    /** What is done at hook points, by full or short name. A function names its weights as {@link #weights} does. */
    Map<String, GraphFunction> functions();

    /** Weights by name, converted to the model's data type; names are the extension's own. */
    Map<String, HostTensor> weights();

    /**
     * Says whether the extension fits a model.
     *
     * @throws IllegalArgumentException if it doesn't; says what differs and what to do
     */
    default void check(HookedTransformer model) {}
}
