package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.array.DType;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.conformance.cases.RandomCheckpoint;
import dev.loupe.conformance.cases.StandardHooks;
import dev.loupe.conformance.kit.ArchitectureBench;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.plugin.SpiVersion;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 7, first part: what an architecture says of itself. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ArchitectureRules {

    private final ArchitectureBench bench;
    private final ArchitectureProvider provider;

    public ArchitectureRules(ArchitectureBench bench) {
        this.bench = bench;
        this.provider = bench.provider();
    }

    @Rule("7.1")
    void theProviderIsFoundOnceAndWellFormed(Attempt attempt) {
        assertThat(provider.id()).as("the id").matches("[a-z][a-z0-9-]*");
        assertThat(provider.spiVersion()).as("spiVersion()").isEqualTo(SpiVersion.CURRENT);
        List<String> found = ServiceLoader.load(ArchitectureProvider.class).stream()
                .filter(candidate -> candidate.type().equals(provider.getClass()))
                .map(candidate -> candidate.get().id())
                .toList();
        assertThat(found)
                .as(
                        "what ServiceLoader finds of %s: list it, once, in META-INF/services/%s",
                        provider.getClass(), ArchitectureProvider.class.getName())
                .containsExactly(provider.id());
    }

    @Rule("7.2")
    void itsOwnCheckpointsAreAcceptedAndUnknownOnesAreNot(Attempt attempt) {
        assertThat(provider.accepts(bench.checkpointConfig()))
                .as("whether it accepts the goldens' config")
                .isTrue();
        assertThat(provider.accepts(new CheckpointConfig("an empty config", Map.of())))
                .as("whether it accepts an empty config")
                .isFalse();
        Map<String, Object> foreign = Map.of("model_type", "no-such-type", "architectures", List.of("NoSuchModel"));
        assertThat(provider.accepts(new CheckpointConfig("a foreign config", foreign)))
                .as("whether it accepts a config of an unknown type")
                .isFalse();
    }

    @Rule("7.3")
    Stream<Trial> aMissingKeyIsNamed() {
        CheckpointConfig whole = bench.checkpointConfig();
        return whole.keys().stream()
                .map(key -> new Trial(key, attempt -> {
                    Map<String, Object> rest = new HashMap<>();
                    for (String other : whole.keys()) {
                        if (!other.equals(key)) {
                            rest.put(other, whole.raw(other));
                        }
                    }
                    try {
                        assertThat(provider.configure(new CheckpointConfig("config.json without " + key, rest)))
                                .isNotNull();
                    } catch (IllegalArgumentException e) {
                        assertThat(e)
                                .as("what configure throws without '%s'", key)
                                .hasMessageContaining("'" + key + "'");
                    }
                }));
    }

    @Rule("7.4")
    void everyWeightHasARule(Attempt attempt) {
        TransformerConfig config = bench.config();
        Graph graph = provider.build(config, GraphOptions.plain(DType.FLOAT32));
        WeightMapping mapping = provider.weights(config);
        Set<String> wanted = new TreeSet<>(graph.weights().keySet());
        wanted.removeAll(graph.constants().keySet());
        Set<String> given = new TreeSet<>();
        for (WeightMapping.Rule rule : mapping.rules()) {
            assertThat(given.add(rule.weight()))
                    .as("whether '%s' has one rule only", rule.weight())
                    .isTrue();
            long[] shape = rule.layout()
                    .shape(rule.sourceShape().stream()
                            .mapToLong(Long::longValue)
                            .toArray());
            Value weight = graph.weights().get(rule.weight());
            if (weight != null) {
                assertThat(shape)
                        .as("the shape that the rule of '%s' gives", rule.weight())
                        .isEqualTo(weight.type().shape().toArray());
            }
        }
        assertThat(without(wanted, given))
                .as("weights of the graph without a rule")
                .isEmpty();
        assertThat(without(given, wanted))
                .as("weights that have a rule and aren't in the graph")
                .isEmpty();
    }

    private static Set<String> without(Set<String> names, Set<String> others) {
        Set<String> left = new TreeSet<>(names);
        left.removeAll(others);
        return left;
    }

    @Rule("7.4")
    void everyTensorOfTheCheckpointIsExpected(Attempt attempt) {
        WeightMapping mapping = provider.weights(bench.config());
        List<String> unexpected = new ArrayList<>();
        for (Path file : bench.tensorFiles()) {
            try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
                tensors.names().stream().filter(name -> !mapping.expects(name)).forEach(unexpected::add);
            }
        }
        assertThat(bench.tensorFiles()).as("the checkpoint's files of tensors").isNotEmpty();
        assertThat(unexpected)
                .as("tensors that no rule reads and no pattern ignores")
                .isEmpty();
    }

    @Rule("7.5")
    Stream<Trial> theGraphHasTheStandardInputsAndOutputs() {
        List<GraphOptions> all = List.of(
                GraphOptions.plain(DType.FLOAT32),
                GraphOptions.plain(DType.FLOAT64),
                new GraphOptions(DType.FLOAT32, true, false),
                new GraphOptions(DType.FLOAT32, false, true),
                new GraphOptions(DType.FLOAT64, true, true));
        return all.stream().map(options -> {
            String subject = options.dtype()
                    + (options.keyValueCache() ? "-cached" : "")
                    + (options.selectPositions() ? "-selected" : "");
            return new Trial(subject, attempt -> checkGraph(provider.build(bench.config(), options), options));
        });
    }

    private void checkGraph(Graph graph, GraphOptions options) {
        TransformerConfig config = bench.config();
        Map<String, TensorType> inputs = standardInputs(config, options);
        graph.inputs()
                .forEach((name, value) -> assertThat(value.type())
                        .as("the input '%s', out of %s", name, inputs.keySet())
                        .isEqualTo(inputs.get(name)));
        assertThat(graph.inputs()).as("inputs").containsKey(StandardNames.TOKENS);
        Set<String> outputs = new TreeSet<>(Set.of(StandardNames.LOGITS));
        if (!options.keyValueCache() && !options.selectPositions()) {
            outputs.add(StandardNames.LOSS_PER_TOKEN);
        }
        for (int layer = 0; layer <= config.nLayers(); layer++) {
            outputs.add(StandardNames.residualEntering(layer));
            if (options.keyValueCache() && layer < config.nLayers()) {
                outputs.add(StandardNames.keys(layer));
                outputs.add(StandardNames.values(layer));
            }
        }
        assertThat(graph.outputs().keySet()).as("outputs").containsAll(outputs);
        Dim positions = options.selectPositions() ? StandardNames.SELECTED : StandardNames.POS;
        Map<String, Value> found = graph.outputs();
        found.forEach((name, value) -> {
            if (name.equals(StandardNames.LOGITS)) {
                assertThat(value.type())
                        .as("the output 'logits'")
                        .isEqualTo(TensorType.of(
                                options.dtype(), StandardNames.BATCH, positions, Dim.of(config.dVocab())));
            }
        });
        graph.weights()
                .values()
                .forEach(weight -> assertThat(weight.type().dtype() == options.dtype()
                                || !weight.type().dtype().isFloating())
                        .as("whether the weight %s is of the type asked for", weight)
                        .isTrue());
    }

    private static Map<String, TensorType> standardInputs(TransformerConfig config, GraphOptions options) {
        Dim batch = StandardNames.BATCH;
        Dim pos = StandardNames.POS;
        Dim keys = options.keyValueCache() ? StandardNames.PAST.plus(pos) : pos;
        Map<String, TensorType> inputs = new HashMap<>();
        inputs.put(StandardNames.TOKENS, TensorType.of(DType.INT64, batch, pos));
        inputs.put(StandardNames.TOKEN_MASK, TensorType.of(DType.BOOL, batch, pos));
        inputs.put(StandardNames.ATTENTION_MASK, TensorType.of(DType.BOOL, batch, keys));
        inputs.put(StandardNames.POSITIONS, TensorType.of(DType.INT64, batch, pos));
        inputs.put(StandardNames.KEY_POSITIONS, TensorType.of(DType.INT64, batch, keys));
        inputs.put(StandardNames.QUERY_INDEX, TensorType.of(DType.INT64, pos));
        inputs.put(StandardNames.KEY_INDEX, TensorType.of(DType.INT64, keys));
        if (options.selectPositions()) {
            inputs.put(StandardNames.SELECTED_POSITIONS, TensorType.of(DType.INT64, StandardNames.SELECTED));
        }
        for (int layer = 0; options.keyValueCache() && layer < config.nLayers(); layer++) {
            TensorType past = TensorType.of(
                    options.dtype(),
                    batch,
                    StandardNames.PAST,
                    Dim.of(config.nKeyValueHeads()),
                    Dim.of(config.dHead()));
            inputs.put(StandardNames.pastKeys(layer), past);
            inputs.put(StandardNames.pastValues(layer), past);
        }
        return inputs;
    }

    @Rule("7.6")
    void standardHookPointsHaveTheirShapesAndOrder(Attempt attempt) {
        TransformerConfig config = bench.config();
        Graph graph = provider.build(config, GraphOptions.plain(DType.FLOAT32));
        Map<String, List<Dim>> standard = StandardHooks.of(config);
        List<String> named = new ArrayList<>();
        for (HookPoint point : graph.hookPoints()) {
            List<Dim> dims = standard.get(point.name());
            Value value = graph.hooks().get(point.name());
            if (dims == null || value == null) {
                continue;
            }
            named.add(point.name());
            assertThat(List.of(value.type().dims()))
                    .as("the sizes of %s", point)
                    .isEqualTo(dims);
            assertThat(point.optional())
                    .as("whether %s is optional", point)
                    .isEqualTo(StandardHooks.isOptional(point.name()));
        }
        List<String> order = standard.keySet().stream().filter(named::contains).toList();
        assertThat(named)
                .as("standard hook points in the order in which they fire")
                .isEqualTo(order);
        Set<String> needed = LongStream.range(0, config.nLayers())
                .mapToObj(layer -> "blocks." + layer + ".")
                .flatMap(block -> Stream.of(block + "hook_resid_pre", block + "hook_resid_post"))
                .collect(Collectors.toSet());
        assertThat(named)
                .as("hook points that every model has")
                .contains("hook_embed", "unembed.hook_out")
                .containsAll(needed);
    }

    @Rule("7.15")
    void aSampleConfigComesWithIt(Attempt attempt) {
        String json = RandomCheckpoint.config(provider)
                .orElseThrow(() -> new AssertionError("there is no resource " + RandomCheckpoint.resource(provider.id())
                        + " beside the provider: a config.json of a tiny model, with which backends are tried"));
        CheckpointConfig config = RandomCheckpoint.parse("the sample config", json);
        assertThat(provider.accepts(config))
                .as("whether it accepts its own sample config")
                .isTrue();
        assertThat(provider.configure(config).dModel())
                .as("d_model of the sample, which should be tiny")
                .isLessThanOrEqualTo(128);
    }
}
