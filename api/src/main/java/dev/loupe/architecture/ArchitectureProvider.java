package dev.loupe.architecture;

import dev.loupe.graph.Graph;
import dev.loupe.plugin.Plugin;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Offers a model architecture. Found by {@link java.util.ServiceLoader}: list the class in {@code
 * META-INF/services/dev.loupe.architecture.ArchitectureProvider}. Construction is trivial and can't fail.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface ArchitectureProvider extends Plugin {

    /** Whether this architecture can load a checkpoint with such a config; decided by its type, not its name. */
    boolean accepts(CheckpointConfig config);

    /**
     * Reads a checkpoint's config.
     *
     * @throws IllegalArgumentException if a setting is missing, contradictory or unknown; names the key
     */
    TransformerConfig configure(CheckpointConfig config);

    /** How the checkpoint's tensors become the graph's weights, before any processing. */
    WeightMapping weights(TransformerConfig config);

    /**
     * Describes the forward pass. The inputs and outputs have the names of {@link
     * dev.loupe.architecture.StandardNames}; the hook points those of the specification. The config may be a
     * processed one: norms without parameters, biases that processing brought.
     */
    Graph build(TransformerConfig config, GraphOptions options);

    /**
     * Whether the standard weight processing (fold_ln, centring, folding of value biases) keeps this
     * architecture's outputs. It does where the weights have the standard names and meaning.
     */
    default boolean supportsProcessing() {
        return true;
    }

    /** Well-known checkpoints of this architecture. */
    default List<PretrainedModel> pretrained() {
        return List.of();
    }
}
