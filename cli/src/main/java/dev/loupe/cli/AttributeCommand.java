package dev.loupe.cli;

import dev.loupe.analysis.attribution.AttributionPatching;
import dev.loupe.analysis.attribution.Circuit;
import dev.loupe.analysis.attribution.EdgeAttribution;
import dev.loupe.analysis.attribution.IntegratedGradients;
import dev.loupe.analysis.views.ColoredTokens;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.View;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe attribute}: which parts the answer is owed to, from derivatives. */
@Command(
        name = "attribute",
        mixinStandardHelpOptions = true,
        description = "Estimate from derivatives which activations, edges or tokens carry the answer.")
final class AttributeCommand implements Callable<Integer> {

    /** How it is attributed. */
    private enum Method {
        ATP,
        EAP,
        EAP_IG,
        IG
    }

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final PromptPairOptions prompts = new PromptPairOptions();

    @Mixin
    private final AnswerOptions answers = new AnswerOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(names = "--edges", description = "Edges between heads and MLPs, not nodes: the same as --method eap.")
    private boolean edges;

    @Option(
            names = "--method",
            paramLabel = "atp|eap|eap-ig|ig",
            description =
                    "Attribution patching of nodes (atp, the default) or edges (eap), edges with integrated gradients"
                            + " (eap-ig), integrated gradients of the tokens' embeddings (ig).")
    private @Nullable String method;

    @Option(
            names = "--steps",
            defaultValue = "16",
            paramLabel = "N",
            description = "Steps of integration. Default: 16.")
    private int steps = 16;

    @Option(
            names = "--top",
            defaultValue = "20",
            paramLabel = "N",
            description = "How many edges to show. Default: 20.")
    private int top = 20;

    @Option(
            names = "--dot",
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "Write the top edges as a graph for Graphviz.")
    private @Nullable Path dot;

    @Option(
            names = "--circuit",
            paramLabel = "N",
            description =
                    "Keep the N largest edges and run the model with all others patched from the corrupted run: how"
                            + " much of the answer these edges carry. Goes with --edges.")
    private @Nullable Integer circuit;

    private final Map<String, Object> object = new LinkedHashMap<>();
    private final List<String> lines = new ArrayList<>();
    private final List<View> views = new ArrayList<>();

    @Override
    public Integer call() {
        Method how = method();
        boolean graph = how == Method.EAP || how == Method.EAP_IG;
        if (dot != null && !graph) {
            throw new ParameterException(spec.commandLine(), "--dot goes with --edges: only edges make a graph");
        }
        if (circuit != null && (!graph || circuit < 1)) {
            throw new ParameterException(
                    spec.commandLine(),
                    graph
                            ? "--circuit takes a number of edges, 1 or more; found " + circuit
                            : "--circuit goes with --edges: a circuit is made of edges");
        }
        if (top < 1 || steps < 1) {
            throw new UsageException("--top and --steps must be 1 or more, got " + top + " and " + steps);
        }
        prompts.read();
        try (HookedTransformer model = options.load()) {
            Metric metric = answers.differentiable(model);
            PromptPairOptions.Pair pair = prompts.tokens(model);
            Tokens right = pair.clean();
            Tokens other = pair.corrupt();
            object.put("model", options.model);
            object.put("backend", model.backend().id());
            object.put("method", how.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-'));
            switch (how) {
                case ATP -> nodes(model, right, other, metric);
                case IG -> tokens(model, right, other, metric);
                default -> edges(model, right, other, metric, how == Method.EAP ? 0 : steps);
            }
            report.tell(
                    () -> object,
                    paint -> lines.forEach(paint::line),
                    () -> HtmlPage.of(title(), views)
                            .from(options.provenance(model)
                                    .prompt("clean", PromptOptions.text(model, right))
                                    .prompt("corrupted", PromptOptions.text(model, other))));
        }
        return 0;
    }

    private String title() {
        return "What carries " + Output.quote(answers.answer()) + " over " + Output.quote(answers.wrong());
    }

    private Method method() {
        if (method == null) {
            return edges ? Method.EAP : Method.ATP;
        }
        for (Method known : Method.values()) {
            if (known.name().replace('_', '-').equalsIgnoreCase(method)) {
                if (edges && (known == Method.ATP || known == Method.IG)) {
                    throw new ParameterException(spec.commandLine(), "--edges goes with --method eap or eap-ig");
                }
                return known;
            }
        }
        throw new ParameterException(spec.commandLine(), "--method is atp, eap, eap-ig or ig; found '" + method + "'");
    }

    private void heading(double right, double other) {
        object.put("clean", right);
        object.put("corrupted", other);
        lines.add(Output.format(
                "logit of %s minus that of %s: clean %.4f, corrupted %.4f",
                Output.quote(answers.answer()), Output.quote(answers.wrong()), right, other));
    }

    private void nodes(HookedTransformer model, Tokens right, Tokens other, Metric metric) {
        AttributionPatching nodes = AttributionPatching.of(model, right, other, metric);
        heading(nodes.clean(), nodes.corrupted());
        List<String> tokens = model.toStrTokens(other.row(0));
        table("residual stream (resid_pre) [layer, position]", nodes.byLayerAndPosition("resid_pre"), tokens);
        table("attention output (attn_out) [layer, position]", nodes.byLayerAndPosition("attn_out"), tokens);
        if (model.config().dMlp() > 0) {
            table("MLP output (mlp_out) [layer, position]", nodes.byLayerAndPosition("mlp_out"), tokens);
        }
        table("head output (z) [layer, head]", nodes.byLayerAndHead("z"), List.of());
    }

    private void table(String name, Tensor values, List<String> columns) {
        HeatMap.Builder map = HeatMap.builder("Estimated effect of patching the " + name)
                .values(values)
                .rows("layer");
        views.add((columns.isEmpty() ? map.columns("head") : map.columns("position", columns)).build());
        object.put(name.substring(name.indexOf('(') + 1, name.indexOf(')')), Output.nested(values));
        lines.add("");
        lines.add("Estimated effect of patching the " + name);
        double[] flat = values.toDoubleArray();
        int width = (int) values.size(1);
        StringBuilder head = new StringBuilder("      ");
        for (int i = 0; i < width; i++) {
            String label = columns.isEmpty() ? "h" + i : columns.get(i).strip();
            head.append(Output.format("%8s", label.length() > 7 ? label.substring(0, 7) : label));
        }
        lines.add(head.toString());
        for (int layer = 0; layer < values.size(0); layer++) {
            StringBuilder line = new StringBuilder(Output.format("  %3d ", layer));
            for (int i = 0; i < width; i++) {
                line.append(Output.format("%8.3f", flat[layer * width + i]));
            }
            lines.add(line.toString());
        }
    }

    private void tokens(HookedTransformer model, Tokens right, Tokens other, Metric metric) {
        IntegratedGradients integrated = IntegratedGradients.of(model, right, other, metric, steps);
        heading(integrated.clean(), integrated.corrupted());
        object.put("scores", Output.nested(integrated.scores()));
        object.put("completeness_error", integrated.completenessError());
        views.add(ColoredTokens.builder("Integrated gradients of the tokens", model.toStrTokens(right.row(0)))
                .note(Output.format(
                        "What each token's embedding makes of the difference; they sum to it within %.2e.",
                        integrated.completenessError()))
                .values("score", integrated.scores().select(0, 0).toDoubleArray())
                .build());
        double[] scores = integrated.scores().toDoubleArray();
        int width = Painter.width(
                14,
                IntStream.range(0, scores.length)
                        .boxed()
                        .flatMap(i -> Stream.of(other, right).map(tokens -> Output.token(model, tokens.id(0, i)))));
        for (int i = 0; i < scores.length; i++) {
            lines.add(Output.format(
                    "  %2d  %s -> %s %9.4f",
                    i,
                    Painter.pad(Output.token(model, other.id(0, i)), width),
                    Painter.pad(Output.token(model, right.id(0, i)), width),
                    scores[i]));
        }
        lines.add(Output.format("completeness error %.2e in %d steps", integrated.completenessError(), steps));
    }

    private void edges(HookedTransformer model, Tokens right, Tokens other, Metric metric, int n) {
        EdgeAttribution found = EdgeAttribution.integrated(model, right, other, metric, n);
        heading(found.clean(), found.corrupted());
        object.put("writers", found.writers());
        object.put("readers", found.readers());
        object.put("scores", Output.nested(found.scores()));
        for (EdgeAttribution.Edge edge : found.top(top)) {
            lines.add(Output.format("  %-8s -> %-10s %9.4f", edge.writer(), edge.reader(), edge.score()));
        }
        Integer kept = circuit;
        Circuit shown = kept == null ? new Circuit(found.top(top)) : Circuit.top(found, kept);
        String note =
                "Edges between heads (a0.h1: layer 0, head 1) and MLPs (m0), blue where patching them in speaks for the"
                        + " answer, red where against it.";
        if (kept != null) {
            note += faithfulness(shown, shown.evaluate(model, right, other, metric), kept);
        }
        views.add(shown.view(kept == null ? "The strongest edges" : "Circuit", note));
        Path file = dot;
        if (file != null) {
            OutputFile.writeString(file, shown.toDot());
            lines.add("The graph is in " + file);
        }
    }

    private String faithfulness(Circuit shown, Circuit.Faithfulness found, int asked) {
        String said = Output.format(
                "%d of %d edges lead from the input to the logits. With all others patched the difference is %.4f:"
                        + " faithfulness %.3f. With these patched it is %.4f: completeness %.3f.",
                shown.edges().size(),
                asked,
                found.circuit(),
                found.faithfulness(),
                found.complement(),
                found.completeness());
        List<Object> all = new ArrayList<>();
        shown.edges()
                .forEach(edge -> all.add(
                        Output.object("writer", edge.writer(), "reader", edge.reader(), "score", edge.score())));
        object.put(
                "circuit",
                Output.object(
                        "edges",
                        all,
                        "metric",
                        found.circuit(),
                        "complement",
                        found.complement(),
                        "faithfulness",
                        found.faithfulness(),
                        "completeness",
                        found.completeness()));
        lines.add(said);
        return " " + said;
    }
}
