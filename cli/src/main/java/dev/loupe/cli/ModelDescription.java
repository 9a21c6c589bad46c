package dev.loupe.cli;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.TensorType;
import dev.loupe.plugin.Plugins;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;

/** What a model is, from its config alone: nothing is computed, and no weight is read. */
final class ModelDescription {

    private static final List<DType> TYPES = List.of(DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64);

    private final String name;
    private final CheckpointLoader.Description found;
    private final long parameters;
    private final Graph graph;
    private final int hookPoints;

    private ModelDescription(String name, CheckpointLoader.Description found, Graph graph) {
        this.name = name;
        this.found = found;
        this.parameters = graph.weights().entrySet().stream()
                .filter(weight -> !graph.constants().containsKey(weight.getKey()))
                .mapToLong(weight -> weight.getValue().type().shape().elements())
                .sum();
        this.graph = graph;
        this.hookPoints = graph.hooks().size();
    }

    /** Describes a model as it is in its checkpoint. */
    static ModelDescription of(String name, LoadOptions options) {
        CheckpointLoader.Description found = CheckpointLoader.installed(name).describe(name, options);
        Graph graph = Plugins.ask(
                found.architecture(),
                "build",
                () -> found.architecture().build(found.config(), GraphOptions.plain(DType.FLOAT32)));
        return new ModelDescription(name, found, graph);
    }

    private long bytes(DType type) {
        return parameters * type.bytes();
    }

    /** Keys and values of one position, in all layers. */
    private long cacheBytes(DType type) {
        TransformerConfig config = found.config();
        return 2L * config.nLayers() * config.nKeyValueHeads() * config.dHead() * type.bytes();
    }

    /** The names and values, for JSON. */
    Map<String, Object> object() {
        TransformerConfig config = found.config();
        Map<String, Object> bytes = new LinkedHashMap<>();
        TYPES.forEach(type -> bytes.put(type.toString(), bytes(type)));
        Map<String, Object> object = Output.object(
                "model", name,
                "architecture", config.architecture(),
                "parameters", parameters,
                "bytes", bytes,
                "n_ctx", config.nCtx(),
                "n_layers", config.nLayers(),
                "n_heads", config.nHeads(),
                "n_key_value_heads", config.nKeyValueHeads(),
                "d_model", config.dModel(),
                "d_head", config.dHead(),
                "d_mlp", config.dMlp(),
                "d_vocab", config.dVocab(),
                "activation", config.activation(),
                "gated_mlp", config.gatedMlp(),
                "normalization", config.normalization().toString(),
                "positions", config.positions().toString(),
                "prepends_bos", config.defaultPrependBos(),
                "hook_points", hookPoints);
        object.put("bos_id", config.bosId());
        object.put("eos_ids", config.eosIds());
        return object;
    }

    /** Prints it. */
    void print(Painter paint) {
        TransformerConfig config = found.config();
        paint.line(paint.bold(name) + paint.faint(", " + config.architecture()));
        line(paint, "parameters", Output.format("%,d (%s)", parameters, rounded(parameters)));
        TYPES.forEach(type -> line(
                paint,
                "in " + type,
                size(bytes(type)) + " of weights, and " + size(cacheBytes(type)) + " of keys and values a token"));
        line(paint, "context", config.nCtx() + " tokens (" + words(config.positions()) + ")");
        line(paint, "layers", config.nLayers() + layout());
        line(
                paint,
                "heads",
                config.nHeads() + " a layer, of " + config.dHead() + " dimensions"
                        + (config.nKeyValueHeads() == config.nHeads()
                                ? ""
                                : "; keys and values: " + config.nKeyValueHeads() + " heads"));
        line(paint, "residual stream", config.dModel() + " dimensions (d_model)");
        line(
                paint,
                "MLP",
                config.dMlp() == 0
                        ? "none"
                        : config.dMlp() + " neurons a layer, " + config.activation()
                                + (config.gatedMlp() ? ", gated" : ""));
        line(paint, "norms", words(config.normalization()));
        line(paint, "vocabulary", Output.format("%,d tokens", config.dVocab()));
        line(paint, "BOS in front", config.defaultPrependBos() ? "yes, token " + config.bosId() : "no");
        line(paint, "end of text", config.eosIds().isEmpty() ? "none" : "token " + tokens(config));
        line(paint, "hook points", Integer.toString(hookPoints));
    }

    /** Lists the hook points in the order in which they fire. */
    void tellHookPoints(CommandSpec spec, boolean json) {
        PrintWriter out = spec.commandLine().getOut();
        Map<String, Object> object = new LinkedHashMap<>();
        int width = Painter.width(0, graph.hooks().keySet().stream());
        for (HookPoint point : graph.hookPoints()) {
            TensorType type =
                    Objects.requireNonNull(graph.hooks().get(point.name())).type();
            String shape = Arrays.toString(type.dims());
            if (json) {
                object.put(point.name(), Output.object("shape", shape, "optional", point.optional()));
            } else {
                out.println(Painter.pad(point.name(), width) + "  " + shape + (point.optional() ? "  optional" : ""));
            }
        }
        if (json) {
            Output.json(out, Output.object("model", name, "points", object));
        }
        out.flush();
    }

    private static String tokens(TransformerConfig config) {
        String all = config.eosIds().stream().sorted().toList().toString();
        return all.substring(1, all.length() - 1);
    }

    /** How the layers differ, where they do. */
    private String layout() {
        Map<String, Integer> windows = new TreeMap<>();
        for (BlockSpec block : found.config().blocks()) {
            Integer window = block.window();
            windows.merge(window == null ? "all tokens" : window + " tokens", 1, Integer::sum);
        }
        if (windows.size() == 1) {
            return windows.containsKey("all tokens")
                    ? ""
                    : ", each sees " + windows.keySet().iterator().next();
        }
        StringBuilder text = new StringBuilder();
        windows.forEach((sees, count) -> text.append(text.length() == 0 ? ": " : ", ")
                .append(count)
                .append(count == 1 ? " sees " : " see ")
                .append(sees));
        return text.toString();
    }

    private static String words(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private static void line(Painter paint, String what, String value) {
        paint.line("  " + Painter.pad(what, 16) + " " + value);
    }

    private static String rounded(long count) {
        return count >= 1_000_000_000
                ? Output.format("%.1f B", count / 1e9)
                : count >= 1_000_000 ? Output.format("%.1f M", count / 1e6) : Output.format("%.1f K", count / 1e3);
    }

    private static String size(long bytes) {
        return bytes >= 1_000_000_000
                ? Output.format("%.1f GB", bytes / 1e9)
                : bytes >= 1_000_000 ? Output.format("%.1f MB", bytes / 1e6) : Output.format("%.1f KB", bytes / 1e3);
    }
}
