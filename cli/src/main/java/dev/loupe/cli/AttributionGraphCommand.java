package dev.loupe.cli;

import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.attribution.AttributionGraph;
import dev.loupe.dictionaries.attribution.AttributionGraph.Kind;
import dev.loupe.dictionaries.attribution.AttributionOptions;
import dev.loupe.dictionaries.attribution.CircuitTracerJson;
import dev.loupe.dictionaries.attribution.GraphLabels;
import dev.loupe.dictionaries.attribution.GraphPruning;
import dev.loupe.dictionaries.attribution.GraphView;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe attribution-graph}: how features lead to one another and to the next token. */
@Command(
        name = "attribution-graph",
        mixinStandardHelpOptions = true,
        description = "Show which features of transcoders, put in the place of the MLPs, led to the next token, and how"
                + " they led to one another.")
final class AttributionGraphCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(
            names = "--transcoders",
            defaultValue = Dictionaries.BUNDLED_SET,
            paramLabel = "NAME|DIR|REPO:PATH",
            description = "A set of transcoders, one for each layer: a bundled one, a directory or a folder of a"
                    + " repository on the Hugging Face Hub, with config.yaml and layer_N.safetensors. Several single"
                    + " transcoders with commas between them serve too. Default: ${DEFAULT-VALUE}.")
    private String name = Dictionaries.BUNDLED_SET;

    @Option(
            names = "--answer",
            paramLabel = "TOKEN",
            description = "Explain this token, not the most probable ones; may be repeated.")
    private final List<String> answers = new ArrayList<>();

    @Option(
            names = "--logits",
            defaultValue = "10",
            paramLabel = "N",
            description = "Explain at most so many of the most probable tokens. Default: 10.")
    private int logits = 10;

    @Option(
            names = "--probability",
            defaultValue = "0.95",
            paramLabel = "P",
            description = "Explain no more tokens than have this probability together. Default: 0.95.")
    private double probability = 0.95;

    @Option(
            names = "--features",
            defaultValue = "7500",
            paramLabel = "N",
            description = "At most so many features, the most influential ones. Default: 7500.")
    private int features = 7_500;

    @Option(
            names = "--nodes",
            defaultValue = "0.8",
            paramLabel = "SHARE",
            description = "Show the nodes that together have this share of the influence. Default: 0.8.")
    private double nodes = 0.8;

    @Option(
            names = "--edges",
            defaultValue = "0.98",
            paramLabel = "SHARE",
            description = "Show the edges between them that have this share of theirs. Default: 0.98.")
    private double edges = 0.98;

    @Option(names = "--top", defaultValue = "15", paramLabel = "K", description = "Nodes to list. Default: 15.")
    private int top = 15;

    @Option(
            names = "--with-first",
            description = "Let transcoders stand for the MLPs at the first position too, which otherwise, being BOS, is"
                    + " taken as it is.")
    private boolean withFirst;

    @Option(
            names = "--any-options",
            description = "Take another model than the one that the transcoders were trained on, or one that is loaded"
                    + " otherwise.")
    private boolean anyOptions;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "Write the graph as JSON that circuit-tracer's and Neuronpedia's viewers read.")
    private @Nullable Path out;

    @Override
    public Integer call() {
        share("--nodes", nodes);
        share("--edges", edges);
        if (top < 1) {
            throw new ParameterException(spec.commandLine(), "--top must be 1 or more, got " + top);
        }
        AttributionOptions settings = settings();
        prompt.read();
        List<Dictionary> transcoders = transcoders();
        options.followOptionsOf(transcoders.get(0).config().modelOptions());
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.single(model);
            if (!answers.isEmpty()) {
                settings = settings.withLogits(
                        answers.stream().map(model::toSingleToken).toList());
            }
            AttributionGraph graph = AttributionGraph.of(model, transcoders, tokens, settings);
            GraphPruning pruning = graph.prune(nodes, edges);
            GraphLabels labels = GraphLabels.of(model, transcoders, pruning);
            Path file = out;
            if (file != null) {
                OutputFile.writeString(
                        file, CircuitTracerJson.write(pruning, labels, slug(file), name, prompt.title()));
            }
            report.tell(
                    () -> json(model, pruning, labels),
                    paint -> show(paint, model, pruning, labels),
                    () -> HtmlPage.of("Attribution graph of “" + prompt.title() + "”", GraphView.of(pruning, labels))
                            .from(options.provenance(model).prompt(PromptOptions.text(model, tokens))));
        }
        return 0;
    }

    private AttributionOptions settings() {
        AttributionOptions settings = AttributionOptions.defaults()
                .withMostProbable(probability, logits)
                .withMaxFeatures(features)
                .withSkipFirst(!withFirst);
        return anyOptions ? settings.forAnyOptions() : settings;
    }

    private void share(String option, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new ParameterException(spec.commandLine(), option + " is a share from 0 to 1, got " + value);
        }
    }

    private List<Dictionary> transcoders() {
        List<String> names = Arrays.stream(name.split(",")).map(String::strip).toList();
        return names.size() == 1 && !Dictionaries.bundled().contains(name)
                ? Dictionaries.loadSet(name, new TerminalProgress("Loading"))
                : names.stream()
                        .map(one -> Dictionaries.load(one, null, new TerminalProgress("Loading")))
                        .toList();
    }

    private static String slug(Path file) {
        String fileName = file.getFileName().toString();
        int dot = fileName.lastIndexOf('.');
        return dot > 0 ? fileName.substring(0, dot) : fileName;
    }

    private Map<String, Object> json(HookedTransformer model, GraphPruning pruning, GraphLabels labels) {
        AttributionGraph graph = pruning.graph();
        return Output.object(
                "model",
                options.model,
                "backend",
                model.backend().id(),
                "transcoders",
                name,
                "replacement_score",
                graph.replacementScore(),
                "completeness_score",
                graph.completenessScore(),
                "active_features",
                graph.activeFeatures(),
                "features",
                graph.features().size(),
                "logits",
                graph.logits(),
                "graph",
                CircuitTracerJson.object(pruning, labels, "prompt", name, prompt.title()));
    }

    private void show(Painter paint, HookedTransformer model, GraphPruning pruning, GraphLabels labels) {
        AttributionGraph graph = pruning.graph();
        paint.line(Output.format(
                "%s in %s: %d features are active, %d nodes and %d edges are shown",
                name,
                options.model,
                graph.activeFeatures(),
                pruning.nodes().length,
                pruning.edges().size()));
        paint.line(Output.format(
                "replacement score %.4f, completeness score %.4f",
                graph.replacementScore(), graph.completenessScore()));
        paint.heading("next tokens");
        for (AttributionGraph.Logit logit : graph.logits()) {
            paint.line(Output.format(
                    "  %-14s probability %.4f, logit above the mean %.4f",
                    Output.token(model, logit.token()), logit.probability(), logit.value()));
        }
        paint.heading("nodes by influence");
        double[] influence = graph.influence();
        Arrays.stream(pruning.nodes())
                .filter(node -> graph.kind(node) != Kind.LOGIT)
                .boxed()
                .sorted(Comparator.comparingDouble(node -> -influence[node]))
                .limit(top)
                .forEach(node ->
                        paint.line(Output.format("  %.4f  %s", influence[node], described(node, graph, labels))));
        paint.heading("what adds most to " + Output.quote(labels.logits().get(0)));
        int first = graph.logitNode(0);
        pruning.edges().stream()
                .filter(edge -> edge.target() == first)
                .sorted(Comparator.comparingDouble(edge -> -Math.abs(edge.weight())))
                .limit(top)
                .forEach(edge -> paint.line(
                        Output.format("  %+9.4f  %s", edge.weight(), described(edge.source(), graph, labels))));
        Path file = out;
        if (file != null) {
            paint.line("");
            paint.line("The graph is in " + file);
        }
    }

    /** Where a node is, and what it is. */
    private static String described(int node, AttributionGraph graph, GraphLabels labels) {
        int position = graph.position(node);
        return Output.format(
                "%-9s  at %2d %-12s  %s",
                graph.layer(node) < 0 ? "embedding" : "layer " + graph.layer(node),
                position,
                Output.quote(labels.tokens().get(position)),
                labels.of(graph, node));
    }
}
