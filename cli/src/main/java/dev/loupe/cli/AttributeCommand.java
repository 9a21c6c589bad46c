package dev.loupe.cli;

import dev.loupe.analysis.attribution.AttributionPatching;
import dev.loupe.analysis.attribution.EdgeAttribution;
import dev.loupe.analysis.attribution.IntegratedGradients;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
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

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        Method how = method();
        if (dot != null && how != Method.EAP && how != Method.EAP_IG) {
            throw new ParameterException(spec.commandLine(), "--dot goes with --edges: only edges make a graph");
        }
        prompts.read();
        try (HookedTransformer model = options.load()) {
            Metric metric = answers.differentiable(model);
            PromptPairOptions.Pair pair = prompts.tokens(model);
            Tokens right = pair.clean();
            Tokens other = pair.corrupt();
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("backend", model.backend().id());
            object.put("method", how.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-'));
            switch (how) {
                case ATP -> nodes(model, right, other, metric, object);
                case IG -> tokens(model, right, other, metric, object);
                default -> edges(model, right, other, metric, how == Method.EAP ? 0 : steps, object);
            }
            if (json) {
                Output.json(spec.commandLine().getOut(), object);
            }
            spec.commandLine().getOut().flush();
        }
        return 0;
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

    private void heading(double right, double other, Map<String, Object> object) {
        object.put("clean", right);
        object.put("corrupted", other);
        if (!json) {
            spec.commandLine()
                    .getOut()
                    .println(Output.format(
                            "logit of %s minus that of %s: clean %.4f, corrupted %.4f",
                            Output.quote(answers.answer()), Output.quote(answers.wrong()), right, other));
        }
    }

    private void nodes(HookedTransformer model, Tokens right, Tokens other, Metric metric, Map<String, Object> object) {
        AttributionPatching nodes = AttributionPatching.of(model, right, other, metric);
        heading(nodes.clean(), nodes.corrupted(), object);
        List<String> tokens = model.toStrTokens(other.row(0));
        table("residual stream (resid_pre) [layer, position]", nodes.byLayerAndPosition("resid_pre"), tokens, object);
        table("attention output (attn_out) [layer, position]", nodes.byLayerAndPosition("attn_out"), tokens, object);
        if (model.config().dMlp() > 0) {
            table("MLP output (mlp_out) [layer, position]", nodes.byLayerAndPosition("mlp_out"), tokens, object);
        }
        table("head output (z) [layer, head]", nodes.byLayerAndHead("z"), List.of(), object);
    }

    private void table(String name, Tensor values, List<String> columns, Map<String, Object> object) {
        if (json) {
            object.put(name.substring(name.indexOf('(') + 1, name.indexOf(')')), Output.nested(values));
            return;
        }
        PrintWriter out = spec.commandLine().getOut();
        out.println();
        out.println("Estimated effect of patching the " + name);
        double[] flat = values.toDoubleArray();
        int width = (int) values.size(1);
        StringBuilder head = new StringBuilder("      ");
        for (int i = 0; i < width; i++) {
            String label = columns.isEmpty() ? "h" + i : columns.get(i).strip();
            head.append(Output.format("%8s", label.length() > 7 ? label.substring(0, 7) : label));
        }
        out.println(head);
        for (int layer = 0; layer < values.size(0); layer++) {
            StringBuilder line = new StringBuilder(Output.format("  %3d ", layer));
            for (int i = 0; i < width; i++) {
                line.append(Output.format("%8.3f", flat[layer * width + i]));
            }
            out.println(line);
        }
    }

    private void tokens(
            HookedTransformer model, Tokens right, Tokens other, Metric metric, Map<String, Object> object) {
        IntegratedGradients integrated = IntegratedGradients.of(model, right, other, metric, steps);
        heading(integrated.clean(), integrated.corrupted(), object);
        object.put("scores", Output.nested(integrated.scores()));
        object.put("completeness_error", integrated.completenessError());
        if (!json) {
            double[] scores = integrated.scores().toDoubleArray();
            PrintWriter out = spec.commandLine().getOut();
            for (int i = 0; i < scores.length; i++) {
                out.println(Output.format(
                        "  %2d  %-14s -> %-14s %9.4f",
                        i, Output.token(model, other.id(0, i)), Output.token(model, right.id(0, i)), scores[i]));
            }
            out.println(Output.format("completeness error %.2e in %d steps", integrated.completenessError(), steps));
        }
    }

    private void edges(
            HookedTransformer model, Tokens right, Tokens other, Metric metric, int n, Map<String, Object> object) {
        EdgeAttribution found = EdgeAttribution.integrated(model, right, other, metric, n);
        heading(found.clean(), found.corrupted(), object);
        object.put("writers", found.writers());
        object.put("readers", found.readers());
        if (json) {
            object.put("scores", Output.nested(found.scores()));
        } else {
            for (EdgeAttribution.Edge edge : found.top(top)) {
                spec.commandLine()
                        .getOut()
                        .println(Output.format("  %-8s -> %-10s %9.4f", edge.writer(), edge.reader(), edge.score()));
            }
        }
        Path file = dot;
        if (file != null) {
            OutputFile.writeString(file, found.toDot(top));
            if (!json) {
                spec.commandLine().getOut().println("The graph is in " + file);
            }
        }
    }
}
