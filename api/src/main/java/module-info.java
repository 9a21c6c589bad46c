/**
 * Transformers on the JVM whose every activation has a name: models, hook points, graphs, tensors, and the interfaces
 * that backends and architectures implement. How a run is divided and carried out is nobody else's.
 */
module dev.loupe {
    requires static transitive org.apiguardian.api;
    requires static transitive org.jspecify;

    exports dev.loupe.architecture;
    exports dev.loupe.array;
    exports dev.loupe.array.safetensors;
    exports dev.loupe.backend;
    exports dev.loupe.graph;
    exports dev.loupe.graph.pass;
    exports dev.loupe.hook;
    exports dev.loupe.io;
    exports dev.loupe.model;
    exports dev.loupe.plugin;
    exports dev.loupe.tensor;

    uses dev.loupe.architecture.ArchitectureProvider;
    uses dev.loupe.architecture.CheckpointLoader;
    uses dev.loupe.backend.BackendProvider;
}
