package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.Answers;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.backend.Placement;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.StoreWeights;
import dev.loupe.plugin.Plugins;
import dev.loupe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;

/** Puts a model together: opens the backend, reads the weights, moves them in. */
final class ModelLoading {

    private ModelLoading() {}

    static HookedTransformer load(String name, LoadOptions options, Optional<Backend> backend) {
        try (Checkpoint checkpoint = CheckpointLoader.installed(name).open(name, options)) {
            return load(checkpoint, options, backend);
        }
    }

    static HookedTransformer load(Checkpoint checkpoint, LoadOptions options, Optional<Backend> given) {
        TransformerConfig config = checkpoint.config();
        Tokenizer tokenizer = options.tokenizer();
        TextTokens text = new TextTokens(
                config,
                tokenizer != null ? tokenizer : checkpoint.tokenizer().orElse(null),
                checkpoint.tokenizerProblem());
        LoadOptions typed = options.autoDType() ? options.withDType(checkpoint.dtype()) : options;
        return assemble(checkpoint.architecture(), config, typed, given, text, checkpoint::readWeights);
    }

    static HookedTransformer random(
            ArchitectureProvider architecture,
            TransformerConfig config,
            long seed,
            LoadOptions options,
            Optional<Backend> given) {
        Graph graph = Plugins.ask(
                architecture, "build", () -> architecture.build(config, GraphOptions.plain(options.dtype())));
        return assemble(architecture, config, options, given, madeFromConfig(config, options), sink -> {
            for (Map.Entry<String, Value> weight : new java.util.TreeMap<>(graph.weights()).entrySet()) {
                if (!graph.constants().containsKey(weight.getKey())) {
                    Shape shape = weight.getValue().type().shape();
                    sink.accept(weight.getKey(), random(weight.getKey(), shape, seed, options));
                }
            }
        });
    }

    private static HostTensor random(String name, Shape shape, long seed, LoadOptions options) {
        HostTensor tensor = HostTensor.allocate(options.dtype(), shape);
        String last = name.substring(name.lastIndexOf('.') + 1);
        // Each weight has a generator of its own, so that the numbers don't depend on the order.
        Random random = new Random(seed * 31 + name.hashCode());
        for (long i = 0; i < shape.elements(); i++) {
            tensor.setDouble(i, last.startsWith("b") ? 0 : last.equals("w") ? 1 : 0.02 * random.nextGaussian());
        }
        return tensor;
    }

    static HookedTransformer given(
            ArchitectureProvider architecture,
            TransformerConfig config,
            Map<String, HostTensor> weights,
            LoadOptions options,
            Backend backend) {
        return assemble(
                architecture,
                config,
                options,
                Optional.of(backend),
                madeFromConfig(config, options),
                sink -> weights.forEach((name, weight) -> sink.accept(name, weight.to(options.dtype()))));
    }

    private static TextTokens madeFromConfig(TransformerConfig config, LoadOptions options) {
        return new TextTokens(config, options.tokenizer(), "it was made from a config, not from a checkpoint");
    }

    private static HookedTransformer assemble(
            ArchitectureProvider architecture,
            TransformerConfig config,
            LoadOptions options,
            Optional<Backend> given,
            TextTokens text,
            Consumer<Checkpoint.WeightConsumer> source) {
        Backend backend = given.orElseGet(() -> open(options));
        Map<String, Tensor> weights = new LinkedHashMap<>();
        try {
            DType computed = computed(backend, options.dtype());
            ArchitectureProvider building = computed == options.dtype()
                    ? architecture
                    : new ExtendedArchitecture(architecture, new StoreWeights(options.dtype()));
            Graph graph = Plugins.ask(building, "build", () -> building.build(config, GraphOptions.plain(computed)));
            WeightMemory.check(config.modelName(), graph, backend);
            graph.constants().forEach((name, constant) -> accept(graph, backend, weights, name, constant));
            Checkpoint.WeightConsumer sink = new Checkpoint.WeightConsumer() {
                @Override
                public void accept(String name, HostTensor weight) {
                    HostTensor typed = weight.to(typeIn(graph, name, options.dtype()));
                    ModelLoading.accept(graph, backend, weights, name, typed);
                }

                @Override
                public boolean keeps() {
                    return backend.keepsUploads();
                }
            };
            try {
                source.accept(sink);
            } catch (OutOfTensorMemoryException full) {
                throw OutOfMemory.loading(config.modelName(), backend, full);
            }
            Set<String> missing = new TreeSet<>(graph.weights().keySet());
            missing.removeAll(weights.keySet());
            if (!missing.isEmpty()) {
                throw new IllegalArgumentException("'" + config.modelName() + "' lacks weights: " + missing);
            }
            return new HookedTransformer(config, options, building, backend, given.isEmpty(), graph, weights, text);
        } catch (RuntimeException | Error e) {
            weights.values().forEach(Tensor::close);
            if (given.isEmpty()) {
                backend.close();
            }
            if (e instanceof OutOfMemoryError full) {
                throw OutOfMemory.loading(config.modelName(), backend, full);
            }
            throw e;
        }
    }

    private static DType computed(Backend backend, DType loaded) {
        try {
            return Answers.of(backend, "capabilities", backend.capabilities()).computes(loaded);
        } catch (UnsupportedOperationException e) {
            throw new UnsupportedOperationException(
                    "Backend '" + backend.id() + "' on " + backend.device() + " " + e.getMessage(), e);
        }
    }

    // Of what is loaded in 16 bits, only matrices and tables stay so where a model computes in float32.
    private static DType typeIn(Graph graph, String name, DType loaded) {
        Value value = graph.weights().get(name);
        return value != null && loaded.isSixteenBits() && value.type().dtype() == DType.FLOAT32
                ? DType.FLOAT32
                : loaded;
    }

    private static boolean multipliesBy(Value reader, Value weight) {
        return reader.source() instanceof Value.Result result
                && result.op().isProduct()
                && result.inputs().get(1) == weight;
    }

    private static Backend open(LoadOptions options) {
        BackendOptions how =
                new BackendOptions(options.device(), options.threads(), options.nDevices(), options.backendSettings());
        String id = options.backend();
        return id == null ? Backends.openDefault(how) : Backends.open(id, how);
    }

    /** Puts a weight where the graph wants it. */
    static void accept(Graph graph, Backend backend, Map<String, Tensor> weights, String name, HostTensor weight) {
        Value value = graph.weights().get(name);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no weight '" + name + "'");
        }
        if (!value.type().shape().equals(weight.shape()) || value.type().dtype() != weight.dtype()) {
            throw new IllegalArgumentException("Weight '" + name + "' should be " + value.type() + ", found " + weight);
        }
        Placement placement = new Placement(
                Math.max(graph.regions().indexOf(value.region()), 0),
                graph.regions().size(),
                graph.values().stream().anyMatch(reader -> multipliesBy(reader, value)));
        weights.put(name, Tensor.wrap(backend, Answers.upload(backend, weight, placement), name));
    }
}
