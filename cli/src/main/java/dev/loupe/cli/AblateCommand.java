package dev.loupe.cli;

import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final AnswerOptions answers = new AnswerOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(
            names = "--with",
            defaultValue = "zero",
            description = "What takes a part's place: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private With with = With.ZERO;

    @Override
    public Integer call() {
        prompt.read();
        try (HookedTransformer model = options.load()) {
            LogitMetric metric = answers.difference(model);
            Tokens tokens = prompt.tokens(model);
            try (CachedRun run = model.runWithCache(tokens);
                    TerminalProgress progress = new TerminalProgress("Ablating")) {
                Ablation ablation = with == With.ZERO ? Ablation.zero() : Ablation.mean(run.cache());
                answers.hint(model, run.logits());
                double whole = metric.of(run.logits());
                Tensor heads =
                        ablation.heads(model, tokens, metric, progress).values().sub(whole);
                Tensor layers = ablation.layers(model, tokens, metric, progress)
                        .values()
                        .sub(whole);
                double largest =
                        Math.max(heads.abs().max().item(), layers.abs().max().item());
                report.tell(
                        () -> object(whole, heads, layers),
                        paint -> print(paint, model, whole, heads, layers, largest),
                        () -> page(heads, layers, Math.max(1e-6, largest))
                                .from(options.provenance(model)
                                        .fact("ablation", ablation.name())
                                        .prompt(PromptOptions.text(model, tokens))));
            }
        }
        return 0;
    }

    private Map<String, Object> object(double whole, Tensor heads, Tensor layers) {
        return Output.object(
                "model", options.model,
                "logit_difference", whole,
                "heads", Output.nested(heads),
                "attn_out", Output.nested(layers.select(0, 0)),
                "mlp_out", Output.nested(layers.select(0, 1)));
    }

    private HtmlPage page(Tensor heads, Tensor layers, double limit) {
        return HtmlPage.of(
                "What the answer loses without each part",
                map("Each head's output", heads, "head", limit).build(),
                map("Each layer's attention and MLP", layers.transpose(0, 1), "part", limit)
                        .columns("part", List.of("attn_out", "mlp_out"))
                        .build());
    }

    private HeatMap.Builder map(String title, Tensor change, String columns, double limit) {
        return HeatMap.builder(title)
                .note("Change of the logit difference between " + answers.both() + " without this part.")
                .values(change)
                .rows("layer")
                .columns(columns)
                .scale(ColorScale.diverging(limit));
    }

    private void print(
            Painter paint, HookedTransformer model, double whole, Tensor heads, Tensor layers, double largest) {
        paint.line(Output.format("Logit difference between %s of the whole model: %.3f.", answers.both(), whole));
        paint.line("Below, how much it changes without each head (H0, H1, …), attention (attn_out) and MLP (mlp_out):");
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            paint.heading("layer " + layer);
            double[] row = heads.select(0, layer).toDoubleArray();
            for (int head = 0; head < row.length; head++) {
                line(paint, "H" + head, row[head], largest);
            }
            line(paint, "attn_out", layers.item(0, layer), largest);
            line(paint, "mlp_out", layers.item(1, layer), largest);
        }
    }

    private static void line(Painter paint, String name, double value, double largest) {
        paint.line(Output.format("  %-9s %8.3f %s", name, value, paint.bar(value, largest)));
    }
}
