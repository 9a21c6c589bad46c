package dev.loupe.cli;

import dev.loupe.analysis.heads.HeadScores;
import dev.loupe.analysis.heads.HeadViews;
import dev.loupe.analysis.heads.RepeatedTokens;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.View;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe heads}: which heads look at the token before, at the same token, at what came after it. */
@Command(
        name = "heads",
        mixinStandardHelpOptions = true,
        description = "Score every head on random tokens that are repeated: how much it attends to the token before, to"
                + " earlier occurrences of the same token, and to what came after those (induction).")
final class HeadsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(names = "--length", defaultValue = "25", description = "Random tokens before they repeat. Default: 25.")
    private int length;

    @Option(names = "--batch", defaultValue = "8", description = "Sequences. Default: 8.")
    private int batch;

    @Option(names = "--seed", defaultValue = "0", description = "The same seed, the same tokens. Default: 0.")
    private long seed;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(names = "--html", paramLabel = "FILE", description = "Also write heat maps as a page.")
    private @Nullable Path html;

    @Override
    public Integer call() {
        try (HookedTransformer model = options.load()) {
            Tokens tokens = RepeatedTokens.random(model, length, batch, seed);
            try (CachedRun run = model.runWithCache(tokens, HookFilter.glob("*hook_pattern"))) {
                HeadScores scores = HeadScores.of(run.cache());
                Map<String, Tensor> byKind = new LinkedHashMap<>();
                byKind.put("previous-token", scores.previousToken(tokens));
                byKind.put("duplicate-token", scores.duplicateToken(tokens));
                byKind.put("induction", scores.induction(tokens));
                report(model, byKind);
            }
        }
        return 0;
    }

    private void report(HookedTransformer model, Map<String, Tensor> byKind) {
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("seed", seed);
            byKind.forEach((kind, scores) -> object.put(kind, Output.nested(scores)));
            Output.json(spec.commandLine().getOut(), object);
        } else {
            Painter paint = new Painter(
                    spec.commandLine().getOut(),
                    spec.commandLine().getColorScheme().ansi());
            byKind.forEach((kind, scores) -> print(paint, model, kind, scores.toDoubleArray()));
            paint.flush();
        }
        if (html != null) {
            List<View> views = new ArrayList<>();
            byKind.forEach((kind, scores) ->
                    views.add(HeadViews.scores(kind + " scores", scores, ColorScale.sequential(0, 1))));
            HtmlPage.of("Heads of " + options.model, views).write(html);
        }
    }

    private static void print(Painter paint, HookedTransformer model, String kind, double[] scores) {
        int heads = model.config().nHeads();
        paint.heading(kind + " score of each head");
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            StringBuilder line = new StringBuilder("  layer " + Painter.pad(Integer.toString(layer), 3));
            for (int head = 0; head < heads; head++) {
                double score = scores[layer * heads + head];
                line.append(paint.shaded(Output.format(" H%d %.2f ", head, score), score))
                        .append(' ');
            }
            paint.line(line.toString());
        }
    }
}
