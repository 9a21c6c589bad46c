package dev.loupe.conformance.kit;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.conformance.cases.RandomCheckpoint;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apiguardian.api.API;

/** Tiny models with random weights, of every architecture on the class path that brings a sample config. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Models implements AutoCloseable {

    private final Bench bench;
    private final long seed;
    private final Map<Kind, Source> sources = new LinkedHashMap<>();
    private final Map<Object, Pair> pairs = new LinkedHashMap<>();

    public Models(Bench bench, long seed) {
        this.bench = bench;
        this.seed = seed;
    }

    /** An architecture, with its weights as they are or processed. */
    public record Kind(String architecture, boolean processed) {

        /** As a part of a test's path. */
        public String path() {
            return architecture + "/" + (processed ? "processed" : "raw");
        }
    }

    /** Config and weights of a model, in float32. */
    private record Source(
            ArchitectureProvider architecture, TransformerConfig config, Map<String, HostTensor> weights) {}

    /** One model twice: on the backend on trial and, in float64, on the reference. */
    public record Pair(Kind kind, HookedTransformer mine, HookedTransformer truth) implements AutoCloseable {
        @Override
        public void close() {
            mine.close();
            truth.close();
        }
    }

    /** Architectures that can be tried. */
    public static List<String> architectures() {
        return Architectures.all().stream()
                .filter(architecture -> RandomCheckpoint.config(architecture).isPresent())
                .map(ArchitectureProvider::id)
                .sorted()
                .toList();
    }

    /** Architectures on the class path without a sample config. */
    public static List<String> withoutSample() {
        return Architectures.all().stream()
                .filter(architecture -> RandomCheckpoint.config(architecture).isEmpty())
                .map(ArchitectureProvider::id)
                .sorted()
                .toList();
    }

    /** Every architecture, raw and processed. */
    public static List<Kind> kinds() {
        List<Kind> kinds = new ArrayList<>();
        for (String architecture : architectures()) {
            kinds.add(new Kind(architecture, false));
            if (Architectures.byId(architecture).supportsProcessing()) {
                kinds.add(new Kind(architecture, true));
            }
        }
        return kinds;
    }

    /** Whether the backend on trial computes in a data type. */
    public boolean computes(DType type) {
        return bench.floats().contains(type);
    }

    /** A model in a data type on both backends; made once. */
    public synchronized Pair pair(Kind kind, DType type) {
        return pairs.computeIfAbsent(List.of(kind, type), key -> {
            Source source = sources.computeIfAbsent(kind, this::source);
            HookedTransformer mine = load(source, type, bench.backend());
            return new Pair(kind, mine, load(asStored(source, type), DType.FLOAT64, bench.reference()));
        });
    }

    /** A model on another backend than the one on trial; whoever asks closes it. */
    public synchronized HookedTransformer load(Kind kind, DType type, Backend backend) {
        return load(sources.computeIfAbsent(kind, this::source), type, backend);
    }

    // Where a type is only stored, the weights are rounded to it and nothing else is: the reference has them rounded,
    // too.
    private Source asStored(Source source, DType type) {
        if (!bench.capabilities().storeDTypes().contains(type)) {
            return source;
        }
        Map<String, HostTensor> rounded = new LinkedHashMap<>();
        source.weights().forEach((name, weight) -> rounded.put(name, weight.to(type)));
        return new Source(source.architecture(), source.config(), rounded);
    }

    private static HookedTransformer load(Source source, DType type, Backend backend) {
        LoadOptions options = LoadOptions.noProcessing().withDType(type);
        return HookedTransformer.fromWeights(
                source.architecture(), source.config(), source.weights(), options, backend);
    }

    /** Loads a checkpoint on the reference, as a user would, and takes out what the graph's weights then are. */
    private Source source(Kind kind) {
        ArchitectureProvider architecture = Architectures.byId(kind.architecture());
        Optional<String> json = RandomCheckpoint.config(architecture);
        Path folder = RandomCheckpoint.write(architecture, json.orElseThrow(), seed);
        LoadOptions options = kind.processed() ? LoadOptions.defaults() : LoadOptions.noProcessing();
        try (HookedTransformer model =
                HookedTransformer.fromPretrained(folder.toString(), options, bench.reference())) {
            Map<String, HostTensor> weights = new LinkedHashMap<>();
            for (String name : model.weightNames()) {
                if (!model.graph().constants().containsKey(name)) {
                    weights.put(name, model.weight(name).toHost());
                }
            }
            return new Source(architecture, model.config(), weights);
        } finally {
            RandomCheckpoint.delete(folder);
        }
    }

    @Override
    public synchronized void close() {
        pairs.values().forEach(Pair::close);
        pairs.clear();
    }
}
