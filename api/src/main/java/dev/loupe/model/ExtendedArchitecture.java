package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Pass;
import dev.loupe.graph.pass.Splice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An architecture whose graphs have extensions spliced in. */
final class ExtendedArchitecture implements ArchitectureProvider {

    private final ArchitectureProvider plain;
    private final Pass pass;

    ExtendedArchitecture(ArchitectureProvider plain, List<ModelExtension> extensions, HookNames names) {
        this(plain, splice(extensions, names));
    }

    /** An architecture whose every graph goes through a pass. */
    ExtendedArchitecture(ArchitectureProvider plain, Pass pass) {
        this.plain = plain;
        this.pass = pass;
    }

    private static Splice splice(List<ModelExtension> extensions, HookNames names) {
        Map<String, List<Change>> changes = new LinkedHashMap<>();
        extensions.forEach(extension -> extension
                .functions()
                .forEach((point, function) -> changes.computeIfAbsent(
                                names.resolve(point).name(), key -> new ArrayList<>())
                        .add(new Change.Function(function))));
        return new Splice(changes);
    }

    @Override
    public Graph build(TransformerConfig config, GraphOptions options) {
        return pass.apply(plain.build(config, options));
    }

    @Override
    public String id() {
        return plain.id();
    }

    @Override
    public int spiVersion() {
        return plain.spiVersion();
    }

    @Override
    public boolean accepts(CheckpointConfig config) {
        return plain.accepts(config);
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        return plain.configure(config);
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return plain.weights(config);
    }

    @Override
    public boolean supportsProcessing() {
        return plain.supportsProcessing();
    }
}
