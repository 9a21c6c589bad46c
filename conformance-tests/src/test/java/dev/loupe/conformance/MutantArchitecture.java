package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.graph.Graph;
import dev.loupe.graph.pass.Rewriter;
import dev.loupe.plugin.SpiVersion;
import java.util.function.BiFunction;

/** An architecture that is llama but for what is written into its graph. */
public final class MutantArchitecture implements ArchitectureProvider {

    static final String ID = "mutant-llama";

    /** No fault. */
    static final BiFunction<Graph, GraphOptions, Rewriter.Rule> NONE = (graph, options) -> (old, to) -> to.copy(old);

    private static volatile BiFunction<Graph, GraphOptions, Rewriter.Rule> fault = NONE;

    /** For {@link java.util.ServiceLoader}. */
    public MutantArchitecture() {}

    /** What is wrong with every graph from now on. */
    static void inflict(BiFunction<Graph, GraphOptions, Rewriter.Rule> next) {
        fault = next;
    }

    // Asked for late: who looks for all architectures while one of them is made finds itself.
    private static ArchitectureProvider real() {
        return Architectures.byId("llama");
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public boolean accepts(CheckpointConfig config) {
        return config.modelType().equals(ID);
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        return real().configure(config).toBuilder().architecture(ID).build();
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return real().weights(config);
    }

    @Override
    public Graph build(TransformerConfig config, GraphOptions options) {
        Graph graph = real().build(config, options);
        return Rewriter.rewrite(graph, fault.apply(graph, options));
    }
}
