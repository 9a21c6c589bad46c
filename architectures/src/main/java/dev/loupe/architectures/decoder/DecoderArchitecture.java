package dev.loupe.architectures.decoder;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.Graph;
import dev.loupe.plugin.SpiVersion;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A family of decoders composed of the parts of this package: it brings a reader of its config, a mapping of its weights
 * and the list of its {@linkplain dev.loupe.architecture.BlockSpec blocks}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public abstract class DecoderArchitecture implements ArchitectureProvider {

    private final String id;
    private final List<String> modelTypes;
    private final String className;

    /**
     * For families.
     *
     * @param id the architecture's name in Loupe
     * @param className Hugging Face's class, for configs without {@code model_type}
     * @param modelTypes {@code model_type}s of configs
     */
    protected DecoderArchitecture(String id, String className, String... modelTypes) {
        this.id = id;
        this.className = className;
        this.modelTypes = List.of(modelTypes);
    }

    @Override
    public final String id() {
        return id;
    }

    @Override
    public final int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public boolean accepts(CheckpointConfig config) {
        return modelTypes.contains(config.modelType())
                || (config.modelType().isEmpty() && config.architectures().contains(className));
    }

    /** The attention of the family's blocks: the standard one unless a family brings its own. */
    protected BlockPart attention() {
        return DecoderGraph.attention();
    }

    /** The MLP of the family's blocks: the standard one unless a family brings its own. */
    protected BlockPart mlp() {
        return DecoderGraph.mlp();
    }

    @Override
    public Graph build(TransformerConfig config, GraphOptions options) {
        return DecoderGraph.build(config, options, attention(), mlp());
    }
}
