package dev.loupe.architectures.checkpoint;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architecture.WeightMapping.Rule;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.StoredTensor;
import dev.loupe.graph.Graph;
import dev.loupe.plugin.Plugins;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Holds what a checkpoint has against what its architecture expects, before anything is read. */
final class MappingCheck {

    private static final System.Logger LOG = System.getLogger(MappingCheck.class.getName());
    private static final int NAMED = 10;

    private MappingCheck() {}

    /** The tensor that a rule reads, if it is there. */
    static Optional<String> source(CheckpointTensors tensors, Rule rule) {
        return rule.sources().stream().filter(tensors::contains).findFirst();
    }

    /**
     * Checks that every rule finds its tensor, with the shape and a type that it expects.
     *
     * @param rules what will be read
     * @param whole what the whole checkpoint holds; tensors beyond it are warned of
     * @throws IllegalArgumentException if tensors are missing or don't fit; names them
     */
    static void check(CheckpointTensors tensors, List<Rule> rules, WeightMapping whole) {
        Set<String> missing = new LinkedHashSet<>();
        Set<String> misfits = new LinkedHashSet<>();
        for (Rule rule : rules) {
            Optional<String> source = source(tensors, rule);
            if (source.isEmpty()) {
                missing.add(String.join(" or ", rule.sources()));
                continue;
            }
            StoredTensor found = tensors.tensor(source.get());
            Shape expected = shape(rule.sourceShape());
            if (!found.shape().equals(expected)) {
                misfits.add(found.name() + " has shape " + found.shape() + ", expected " + expected);
            } else if (found.dtype().isEmpty() || !found.dtype().get().isFloating()) {
                misfits.add(found.name() + " has type " + found.type() + ", expected F32, F16, BF16 or F64");
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(tensors.source() + " lacks " + count(missing.size(), "tensor")
                    + " that its config.json calls for: " + some(missing) + ". It has "
                    + count(tensors.names().size(), "tensor") + ": " + some(tensors.names())
                    + ". Is the checkpoint complete, and does the config belong to it?");
        }
        if (!misfits.isEmpty()) {
            throw new IllegalArgumentException(count(misfits.size(), "tensor") + " of " + tensors.source()
                    + (misfits.size() == 1 ? " doesn't" : " don't") + " fit its config.json: " + some(misfits)
                    + ". Does the config belong to these weights?");
        }
        List<String> extra =
                tensors.names().stream().filter(name -> !whole.expects(name)).toList();
        if (!extra.isEmpty()) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    () -> tensors.source() + " has " + count(extra.size(), "tensor")
                            + " that its architecture doesn't know and that are left out: " + some(extra));
        }
    }

    /**
     * Checks that there is a rule for each weight that the unprocessed graph reads. Processing takes a norm's parameter or
     * a bias that isn't there for one that the family doesn't have, and afterwards nobody reads it any more.
     *
     * @throws IllegalArgumentException if weights have no rule; names them and the architecture
     */
    static void checkNothingIsLeftOut(ArchitectureProvider architecture, TransformerConfig config, List<Rule> rules) {
        Set<String> without = new TreeSet<>(DecoderWeights.shapes(config).keySet());
        rules.forEach(rule -> without.remove(rule.weight()));
        if (without.isEmpty()) {
            return;
        }
        // A graph takes a while to build, and nearly every family has the weights that a decoder has.
        Graph graph =
                Plugins.ask(architecture, "build", () -> architecture.build(config, GraphOptions.plain(DType.FLOAT32)));
        without.retainAll(graph.weights().keySet());
        without.removeAll(graph.constants().keySet());
        if (!without.isEmpty()) {
            throw new IllegalArgumentException("The architecture '" + architecture.id() + "' ("
                    + architecture.getClass().getName() + ") doesn't say where a checkpoint has "
                    + count(without.size(), "weight") + " that its graph reads: " + some(without)
                    + ". What to do: tell its makers; weights() needs a rule for each");
        }
    }

    static Shape shape(List<Long> sizes) {
        return Shape.of(sizes.stream().mapToLong(Long::longValue).toArray());
    }

    private static String count(int number, String what) {
        return number == 1 ? "1 " + what : number + " " + what + "s";
    }

    private static String some(Collection<String> names) {
        String named = String.join("; ", names.stream().limit(NAMED).toList());
        return names.size() <= NAMED ? named : named + "; and " + (names.size() - NAMED) + " more";
    }
}
