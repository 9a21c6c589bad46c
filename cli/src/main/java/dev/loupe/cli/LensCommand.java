package dev.loupe.cli;

import dev.loupe.analysis.residual.CacheAnalysis;
import dev.loupe.analysis.residual.LensReading;
import dev.loupe.analysis.residual.LogitLens;
import dev.loupe.analysis.residual.ResidualStack;
import dev.loupe.analysis.residual.StackOptions;
import dev.loupe.analysis.residual.Targets;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe lens}: how the model comes to its next token. */
@Command(
        name = "lens",
        mixinStandardHelpOptions = true,
        description = "Show how the model comes to its next token: layer by layer, head by head.")
final class LensCommand implements Callable<Integer> {

    private static final int COMPONENTS_SHOWN = 12;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(paramLabel = "PROMPT", description = "The text.")
    @SuppressWarnings("NullAway.Init")
    private String prompt;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(names = "--top", defaultValue = "5", paramLabel = "N", description = "How many predictions. Default: 5.")
    private int top;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(names = "--html", paramLabel = "FILE", description = "Also write the lens and the attention as a page.")
    private @Nullable Path html;

    /** A predicted token. */
    private record Prediction(long id, String token, double logit, double probability) {}

    /** What one part of the model adds to the difference between the first two predictions. */
    private record Contribution(String component, double logitDifference) {}

    @Override
    public Integer call() {
        if (prompt.isEmpty()) {
            throw new IllegalArgumentException("The prompt is empty; give some text");
        }
        if (top < 2) {
            throw new IllegalArgumentException("--top must be 2 or more, got " + top);
        }
        try (HookedTransformer model = options.load()) {
            Tokens tokens = model.toTokens(prompt);
            List<String> words = model.toStrTokens(tokens.row(0));
            try (CachedRun run = model.runWithCache(tokens)) {
                List<Prediction> predictions = predictions(model, run.logits());
                LensReading lens = LogitLens.of(run.cache())
                        .topK(3)
                        .watch(predictions.get(0).id())
                        .read();
                List<Contribution> contributions = contributions(model, run.cache(), predictions);
                if (json) {
                    Output.json(
                            spec.commandLine().getOut(),
                            object(model, words, predictions, lens, run.cache(), contributions));
                } else {
                    print(model, words, predictions, lens, run.cache(), contributions);
                }
                if (html != null) {
                    HtmlPage.of(
                                    "Logit lens: " + prompt,
                                    lens.view(0, words),
                                    AttentionCommand.panels(
                                            run.cache(),
                                            words,
                                            range(model.config().nLayers()),
                                            range(model.config().nHeads())))
                            .write(html);
                }
            }
        }
        return 0;
    }

    private List<Prediction> predictions(HookedTransformer model, Tensor logits) {
        Tensor last = logits.get(0, -1);
        double normalizer = last.logSumExp(0).item();
        Tensor.TopK best = last.topk(Math.min(top, model.config().dVocab()), 0);
        double[] values = best.values().toDoubleArray();
        long[] ids = best.indices().toLongArray();
        List<String> names = model.toStrTokens(ids);
        return IntStream.range(0, ids.length)
                .mapToObj(i -> new Prediction(ids[i], names.get(i), values[i], Math.exp(values[i] - normalizer)))
                .toList();
    }

    private static List<Contribution> contributions(
            HookedTransformer model, ActivationCache cache, List<Prediction> predictions) {
        CacheAnalysis analysis = CacheAnalysis.of(cache);
        ResidualStack parts = analysis.getFullResidDecomposition(
                StackOptions.defaults().expandNeurons(false).applyLn().position(-1));
        long first = predictions.get(0).id();
        long second = predictions.get(1).id();
        double[] values = analysis.logitAttrs(parts, Targets.id(first), Targets.id(second))
                .toDoubleArray();
        List<Contribution> contributions = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            contributions.add(new Contribution(parts.labels().get(i), values[i]));
        }
        Tensor unembedding = model.b_U();
        double bias = unembedding.item(first) - unembedding.item(second);
        contributions.add(new Contribution("b_U", bias));
        contributions.sort(Comparator.comparingDouble(c -> -Math.abs(c.logitDifference())));
        return contributions;
    }

    private static List<Integer> range(int count) {
        return IntStream.range(0, count).boxed().toList();
    }

    private Map<String, Object> object(
            HookedTransformer model,
            List<String> words,
            List<Prediction> predictions,
            LensReading lens,
            ActivationCache cache,
            List<Contribution> contributions) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("model", options.model);
        object.put("backend", model.backend().id());
        object.put("tokens", words);
        object.put(
                "predictions",
                predictions.stream()
                        .map(p -> Map.of(
                                "id", p.id(), "token", p.token(), "logit", p.logit(), "probability", p.probability()))
                        .toList());
        List<Object> layers = new ArrayList<>();
        for (int slice = 0; slice < lens.labels().size(); slice++) {
            layers.add(Map.of(
                    "layer", lens.labels().get(slice),
                    "top", lens.topStrTokens(slice, 0, words.size() - 1),
                    "probability", lens.probabilities().item(slice, 0, -1, 0),
                    "rank", (long) lens.ranks().item(slice, 0, -1, 0)));
        }
        object.put("lens", layers);
        List<Object> heads = new ArrayList<>();
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            for (int head = 0; head < model.config().nHeads(); head++) {
                Looks looks = looks(cache, layer, head);
                heads.add(Map.of("layer", layer, "head", head, "position", looks.position(), "weight", looks.weight()));
            }
        }
        object.put("attention", heads);
        object.put(
                "logit_difference",
                contributions.stream()
                        .map(c -> Map.of("component", c.component(), "value", c.logitDifference()))
                        .toList());
        return object;
    }

    /** Where a head's attention at the last position is strongest. */
    private record Looks(int position, double weight) {}

    private static Looks looks(ActivationCache cache, int layer, int head) {
        double[] row = cache.get("pattern", layer).get(0, head, -1).toDoubleArray();
        int best = 0;
        for (int i = 1; i < row.length; i++) {
            best = row[i] > row[best] ? i : best;
        }
        return new Looks(best, row[best]);
    }

    private void print(
            HookedTransformer model,
            List<String> words,
            List<Prediction> predictions,
            LensReading lens,
            ActivationCache cache,
            List<Contribution> contributions) {
        Painter paint = new Painter(
                spec.commandLine().getOut(), spec.commandLine().getColorScheme().ansi());
        paint.line(paint.bold(options.model)
                + paint.faint(
                        " on " + model.backend().id() + ", " + model.config().nLayers() + " layers of "
                                + model.config().nHeads() + " heads"));
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < words.size(); i++) {
            line.append(i == 0 ? "" : " ").append(paint.faint(i + ":")).append(Output.quote(words.get(i)));
        }
        paint.line(line.toString());

        paint.heading("What comes next");
        for (Prediction p : predictions) {
            paint.line(Output.format(
                    "  %s %6.2f%%  %s  logit %.3f",
                    Painter.pad(Output.quote(p.token()), 16),
                    100 * p.probability(),
                    paint.share(p.probability()),
                    p.logit()));
        }
        printLens(paint, words, predictions, lens);
        printHeads(paint, model, words, cache);
        printContributions(paint, predictions, contributions);
        if (html != null) {
            paint.line("");
            paint.line("The page is in " + html);
        }
        paint.flush();
    }

    private static void printLens(Painter paint, List<String> words, List<Prediction> predictions, LensReading lens) {
        String answer = Output.quote(predictions.get(0).token());
        paint.heading("Logit lens: what the model would say after each layer, and how sure it is of " + answer);
        for (int slice = 0; slice < lens.labels().size(); slice++) {
            List<String> best = lens.topStrTokens(slice, 0, words.size() - 1);
            double probability = lens.probabilities().item(slice, 0, -1, 0);
            long rank = (long) lens.ranks().item(slice, 0, -1, 0);
            StringBuilder tokens = new StringBuilder();
            for (String token : best) {
                tokens.append(Painter.pad(Output.quote(token), 14)).append(' ');
            }
            paint.line(Output.format(
                    "  %-11s %s %6.2f%% %s rank %d",
                    lens.labels().get(slice), tokens, 100 * probability, paint.share(probability), rank));
        }
    }

    private static void printHeads(Painter paint, HookedTransformer model, List<String> words, ActivationCache cache) {
        paint.heading("Attention: where each head looks from the last token");
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            StringBuilder line = new StringBuilder("  layer " + Painter.pad(Integer.toString(layer), 3));
            for (int head = 0; head < model.config().nHeads(); head++) {
                Looks looks = looks(cache, layer, head);
                String text = Output.format(
                        " H%d %s %.2f ",
                        head,
                        Painter.pad(looks.position() + ":" + Output.quote(words.get(looks.position())), 12),
                        looks.weight());
                line.append(paint.shaded(text, looks.weight())).append(' ');
            }
            paint.line(line.toString());
        }
    }

    private static void printContributions(
            Painter paint, List<Prediction> predictions, List<Contribution> contributions) {
        double total = predictions.get(0).logit() - predictions.get(1).logit();
        double attributed = contributions.stream()
                .mapToDouble(Contribution::logitDifference)
                .sum();
        paint.heading(Output.format(
                "Direct logit attribution: who speaks for %s against %s (logit difference %.3f)",
                Output.quote(predictions.get(0).token()),
                Output.quote(predictions.get(1).token()),
                total));
        double largest = Math.abs(contributions.get(0).logitDifference());
        contributions.stream()
                .limit(COMPONENTS_SHOWN)
                .forEach(c -> paint.line(Output.format(
                        "  %-11s %8.3f %s",
                        c.component(), c.logitDifference(), paint.bar(c.logitDifference(), largest))));
        if (contributions.size() > COMPONENTS_SHOWN) {
            double rest = contributions.stream()
                    .skip(COMPONENTS_SHOWN)
                    .mapToDouble(Contribution::logitDifference)
                    .sum();
            paint.line(Output.format(
                    "  %-11s %8.3f %s",
                    "others (" + (contributions.size() - COMPONENTS_SHOWN) + ")", rest, paint.bar(rest, largest)));
        }
        // With weights as they are in the checkpoint, the final norm's own weights stand between the parts and the
        // logits.
        if (Math.abs(total - attributed) > 0.01) {
            paint.line(Output.format(
                    "  %8.3f is not attributed: the final norm has weights of its own; load without --no-processing",
                    total - attributed));
        }
    }
}
