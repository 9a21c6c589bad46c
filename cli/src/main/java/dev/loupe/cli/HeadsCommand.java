package dev.loupe.cli;

import dev.loupe.analysis.heads.HeadScores;
import dev.loupe.analysis.heads.HeadViews;
import dev.loupe.analysis.heads.RankedHead;
import dev.loupe.analysis.heads.RepeatedTokens;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.View;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** {@code loupe heads}: which heads look at the token before, at the same token, at what came after it. */
@Command(
        name = "heads",
        mixinStandardHelpOptions = true,
        defaultValueProvider = HeadsCommand.ModelWithInductionHeads.class,
        description = "Score every head on random tokens that are repeated: how much it attends to the token before, to"
                + " earlier occurrences of the same token, and to what came after those (induction).")
final class HeadsCommand implements Callable<Integer> {

    private static final int RANKED = 10;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(names = "--length", defaultValue = "25", description = "Random tokens before they repeat. Default: 25.")
    private int length;

    @Option(names = "--batch", defaultValue = "8", description = "Sequences. Default: 8.")
    private int batch;

    @Option(names = "--seed", defaultValue = "0", description = "The same seed, the same tokens. Default: 0.")
    private long seed;

    @Option(
            names = "--threshold",
            defaultValue = "0.3",
            paramLabel = "SHARE",
            description = "From which share of its attention on a head counts as one of the kind. Default: 0.3.")
    private double threshold;

    /** What is looked for should be there: of the bundled models, this one has heads of induction. */
    static final class ModelWithInductionHeads implements IDefaultValueProvider {
        @Override
        public @Nullable String defaultValue(ArgSpec argument) {
            return argument instanceof OptionSpec option && option.longestName().equals("--model") ? "toy-llama" : null;
        }
    }

    @Override
    public Integer call() {
        if (!(threshold >= 0 && threshold <= 1)) {
            throw new UsageException("--threshold is a share from 0 to 1, got " + threshold);
        }
        if (length < 1 || batch < 1) {
            throw new UsageException("--length and --batch must be 1 or more, got " + length + " and " + batch);
        }
        try (HookedTransformer model = options.load()) {
            Tokens tokens = UsageException.read("--length", () -> RepeatedTokens.random(model, length, batch, seed));
            try (CachedRun run = model.runWithCache(tokens, HookFilter.glob("*hook_pattern"))) {
                HeadScores scores = HeadScores.of(run.cache());
                Map<String, Tensor> byKind = new LinkedHashMap<>();
                byKind.put("previous-token", scores.previousToken(tokens));
                byKind.put("duplicate-token", scores.duplicateToken(tokens));
                byKind.put("induction", scores.induction(tokens));
                report.tell(() -> object(byKind), paint -> print(paint, model, byKind), () -> page(model, byKind));
            }
        }
        return 0;
    }

    private Map<String, Object> object(Map<String, Tensor> byKind) {
        Map<String, Object> object = Output.object("model", options.model, "seed", seed);
        Map<String, Object> ranking = new LinkedHashMap<>();
        byKind.forEach((kind, scores) -> {
            object.put(kind, Output.nested(scores));
            List<RankedHead> ranked = RankedHead.of(scores);
            ranking.put(kind, ranked.subList(0, Math.min(RANKED, ranked.size())));
        });
        object.put("ranking", ranking);
        return object;
    }

    private HtmlPage page(HookedTransformer model, Map<String, Tensor> byKind) {
        List<View> views = new ArrayList<>();
        byKind.forEach(
                (kind, scores) -> views.add(HeadViews.scores(heading(kind), scores, ColorScale.sequential(0, 1))));
        return HtmlPage.of("What the heads of " + options.model + " look at", views)
                .from(options.provenance(model)
                        .fact("sequences", batch + " of " + length + " random tokens that are repeated")
                        .fact("seed", Long.toString(seed)));
    }

    private static String heading(String kind) {
        return "How much each head looks at "
                + switch (kind) {
                    case "previous-token" -> "the token before";
                    case "duplicate-token" -> "earlier occurrences of the token";
                    default -> "what came next last time (induction)";
                };
    }

    private void print(Painter paint, HookedTransformer model, Map<String, Tensor> byKind) {
        paint.line(paint.bold(options.model)
                + paint.faint(" on " + model.backend().id() + ": " + batch + " sequences of " + length
                        + " random tokens that are repeated"));
        paint.heading("What was found");
        byKind.forEach((kind, scores) -> paint.line("  " + found(kind, RankedHead.of(scores))));
        byKind.forEach((kind, scores) -> print(paint, model, kind, scores.toDoubleArray()));
    }

    private String found(String kind, List<RankedHead> ranked) {
        List<RankedHead> enough =
                ranked.stream().filter(head -> head.score() >= threshold).toList();
        if (enough.isEmpty()) {
            RankedHead best = ranked.get(0);
            return Output.format(
                    "No %s head: none gives %.0f%% of its attention to it; most gives %s, %.0f%%.",
                    kind, 100 * threshold, best.name(), 100 * best.score());
        }
        return Output.format(
                        "%d %s head%s: %s",
                        enough.size(),
                        kind,
                        enough.size() == 1 ? "" : "s",
                        enough.stream()
                                .limit(RANKED)
                                .map(head -> Output.format("%s %.2f", head.name(), head.score()))
                                .collect(Collectors.joining(", ")))
                + (enough.size() > RANKED ? ", …" : "");
    }

    private static void print(Painter paint, HookedTransformer model, String kind, double[] scores) {
        int heads = model.config().nHeads();
        paint.heading(kind + " score of each head: the share of its attention, from 0 to 1");
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
