package dev.loupe.architectures.processing;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * A checkpoint's weights before any processing, under their names in the graph and arranged as the graph
 * wants them. Each is read from the files when it is asked for, and again when it is asked for again, so that
 * no more of them are in memory than somebody holds on to.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface RawWeights {

    /** The names, in the order of the architecture's mapping: embeddings, then layer by layer. */
    Set<String> names();

    /**
     * The shape of a weight, without reading it.
     *
     * @throws IllegalArgumentException if there is no such weight
     */
    Shape shape(String weight);

    /**
     * Reads a weight: float32, or float64 if the model is loaded in float64. The result belongs to the
     * caller, who may write to it.
     *
     * @throws IllegalArgumentException if there is no such weight
     */
    HostTensor read(String weight);
}
