package dev.loupe.cli;

import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.Metric;
import dev.loupe.analysis.patching.PatchingResult;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
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
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe ablate}: what the answer loses when a head or a layer is taken out. */
@Command(
        name = "ablate",
        mixinStandardHelpOptions = true,
        description = "Take out each head, each attention and each MLP in turn and see what the answer loses.")
final class AblateCommand implements Callable<Integer> {

    /** What is put in a part's place. */
    enum With {
        /** Zeros. */
        ZERO,
        /** The mean over the prompt's positions. */
        MEAN
    }

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(paramLabel = "PROMPT", description = "The text.")
    @SuppressWarnings("NullAway.Init")
    private String prompt;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(names = "--answer", required = true, paramLabel = "TOKEN", description = "The answer, such as \" Mary\".")
    @SuppressWarnings("NullAway.Init")
    private String answer;

    @Option(names = "--wrong", required = true, paramLabel = "TOKEN", description = "The wrong answer: \" John\".")
    @SuppressWarnings("NullAway.Init")
    private String wrong;

    @Option(
            names = "--with",
            defaultValue = "zero",
            description = "What takes a part's place: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private With with = With.ZERO;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(names = "--html", paramLabel = "FILE", description = "Also write heat maps as a page.")
    private @Nullable Path html;

    @Override
    public Integer call() {
        try (HookedTransformer model = options.load()) {
            Metric metric = Answers.difference(model, answer, wrong);
            Tokens tokens = model.toTokens(prompt);
            try (CachedRun run = model.runWithCache(tokens);
                    TerminalProgress progress = new TerminalProgress("Ablating")) {
                Ablation ablation = with == With.ZERO ? Ablation.zero() : Ablation.mean(run.cache());
                Answers.hint(spec.commandLine().getErr(), model, run.logits(), answer, wrong);
                double whole = metric.of(run.logits());
                PatchingResult heads = ablation.heads(model, tokens, metric, progress);
                PatchingResult layers = ablation.layers(model, tokens, metric, progress);
                report(model, whole, heads.values().sub(whole), layers.values().sub(whole));
            }
        }
        return 0;
    }

    private void report(HookedTransformer model, double whole, Tensor heads, Tensor layers) {
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("logit_difference", whole);
            object.put("heads", Output.nested(heads));
            object.put("attn_out", Output.nested(layers.select(0, 0)));
            object.put("mlp_out", Output.nested(layers.select(0, 1)));
            Output.json(spec.commandLine().getOut(), object);
        } else {
            print(model, whole, heads, layers);
        }
        if (html != null) {
            double limit = Math.max(
                    1e-6, Math.max(heads.abs().max().item(), layers.abs().max().item()));
            HtmlPage.of(
                            "Ablation: " + prompt,
                            List.of(
                                    map("Heads", heads, "head", limit).build(),
                                    map("Attention and MLPs", layers.transpose(0, 1), "part", limit)
                                            .columns("part", List.of("attn_out", "mlp_out"))
                                            .build()))
                    .write(html);
        }
    }

    private HeatMap.Builder map(String title, Tensor change, String columns, double limit) {
        return HeatMap.builder(title)
                .note("Change of the logit difference between " + Output.quote(answer) + " and " + Output.quote(wrong)
                        + " without this part.")
                .values(change)
                .rows("layer")
                .columns(columns)
                .scale(ColorScale.diverging(limit));
    }

    private void print(HookedTransformer model, double whole, Tensor heads, Tensor layers) {
        Painter paint = new Painter(
                spec.commandLine().getOut(), spec.commandLine().getColorScheme().ansi());
        paint.line(Output.format("logit difference of the whole model %.3f; below, its change without a part", whole));
        double largest = Math.max(heads.abs().max().item(), layers.abs().max().item());
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            paint.heading("layer " + layer);
            double[] row = heads.select(0, layer).toDoubleArray();
            for (int head = 0; head < row.length; head++) {
                line(paint, "H" + head, row[head], largest);
            }
            line(paint, "attn_out", layers.item(0, layer), largest);
            line(paint, "mlp_out", layers.item(1, layer), largest);
        }
        paint.flush();
    }

    private static void line(Painter paint, String name, double value, double largest) {
        paint.line(Output.format("  %-9s %8.3f %s", name, value, paint.bar(value, largest)));
    }
}
