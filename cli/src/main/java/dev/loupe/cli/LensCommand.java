package dev.loupe.cli;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.pages.LensPage;
import dev.loupe.analysis.prediction.NextTokens.Candidate;
import dev.loupe.analysis.prediction.PredictionReport;
import dev.loupe.analysis.prediction.PredictionReport.Contribution;
import dev.loupe.analysis.prediction.PredictionReport.HeadFocus;
import dev.loupe.analysis.residual.LensReading;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe lens}: how the model comes to its next token. */
@Command(
        name = "lens",
        mixinStandardHelpOptions = true,
        description = "Show how the model comes to its next token: layer by layer, head by head.")
final class LensCommand implements Callable<Integer> {

    private static final int COMPONENTS_SHOWN = 12;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(names = "--top", defaultValue = "5", paramLabel = "N", description = "How many predictions. Default: 5.")
    private int top;

    @Override
    public Integer call() {
        if (top < 2) {
            throw new UsageException("--top must be 2 or more, got " + top);
        }
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.single(model);
            List<String> words = TokenTexts.of(model, tokens.row(0));
            try (CachedRun run = model.runWithCache(tokens)) {
                PredictionReport found = PredictionReport.of(run, tokens, top);
                report.tell(
                        () -> object(model, words, found),
                        paint -> print(paint, model, words, found),
                        () -> LensPage.of(run, tokens)
                                .from(options.provenance(model).prompt(PromptOptions.text(model, tokens))));
            }
        }
        return 0;
    }

    private Map<String, Object> object(HookedTransformer model, List<String> words, PredictionReport found) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("model", options.model);
        object.put("backend", model.backend().id());
        object.put("tokens", words);
        object.put(
                "predictions",
                found.predictions().stream()
                        .map(p -> Output.object(
                                "id", p.id(),
                                "token", text(model, p),
                                "logit", p.logit(),
                                "probability", p.probability()))
                        .toList());
        LensReading lens = found.lens();
        List<Object> layers = new ArrayList<>();
        for (int slice = 0; slice < lens.labels().size(); slice++) {
            layers.add(Output.object(
                    "layer", lens.labels().get(slice),
                    "top", lens.topStrTokens(slice, 0, words.size() - 1),
                    "probability", lens.probabilities().item(slice, 0, -1, 0),
                    "rank", (long) lens.ranks().item(slice, 0, -1, 0)));
        }
        object.put("lens", layers);
        object.put("attention", found.heads());
        object.put(
                "logit_difference",
                found.contributions().stream()
                        .map(c -> Output.object("component", c.component(), "value", c.logitDifference()))
                        .toList());
        return object;
    }

    private static String text(HookedTransformer model, Candidate candidate) {
        return TokenTexts.of(model, new long[] {candidate.id()}).get(0);
    }

    private void print(Painter paint, HookedTransformer model, List<String> words, PredictionReport found) {
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
        int width = Painter.width(16, found.predictions().stream().map(p -> Output.quote(text(model, p))));
        for (Candidate p : found.predictions()) {
            paint.line(Output.format(
                    "  %s %6.2f%%  %s  logit %.3f",
                    Painter.pad(Output.quote(text(model, p)), width),
                    100 * p.probability(),
                    paint.share(p.probability()),
                    p.logit()));
        }
        String first = Output.quote(text(model, found.predictions().get(0)));
        String second = Output.quote(text(model, found.predictions().get(1)));
        printLens(paint, words, first, found.lens());
        printHeads(paint, words, found.heads(), model.config().nHeads());
        printContributions(paint, first, second, found);
        if (Math.abs(found.unattributed()) > 0.01) {
            paint.line(Output.format(
                    "  %8.3f is not attributed: %s",
                    found.unattributed(),
                    model.config().logitSoftCap() == null
                            ? "the final norm has weights of its own; load without --no-processing"
                            : "the model caps its logits"));
        }
    }

    private static void printLens(Painter paint, List<String> words, String answer, LensReading lens) {
        paint.heading("Logit lens: what the model would say after each layer, and how sure it is of " + answer);
        int width = Painter.width(
                14,
                IntStream.range(0, lens.labels().size())
                        .boxed()
                        .flatMap(slice -> lens.topStrTokens(slice, 0, words.size() - 1).stream())
                        .map(Output::quote));
        for (int slice = 0; slice < lens.labels().size(); slice++) {
            List<String> best = lens.topStrTokens(slice, 0, words.size() - 1);
            double probability = lens.probabilities().item(slice, 0, -1, 0);
            long rank = (long) lens.ranks().item(slice, 0, -1, 0);
            StringBuilder tokens = new StringBuilder();
            for (String token : best) {
                tokens.append(Painter.pad(Output.quote(token), width)).append(' ');
            }
            paint.line(Output.format(
                    "  %-15s %s %6.2f%% %s %s",
                    place(slice, lens.labels().size()),
                    tokens,
                    100 * probability,
                    paint.share(probability),
                    rank == 0 ? "first" : "behind " + rank));
        }
    }

    /** The slices of a lens are what enters each layer, and what leaves the last one. */
    private static String place(int slice, int count) {
        return slice == 0 ? "embedding" : slice == count - 1 ? "the last layer" : "layer " + (slice - 1);
    }

    private static String looks(HeadFocus focus, List<String> words) {
        return focus.position() + ":" + Output.quote(words.get(focus.position()));
    }

    private static void printHeads(Painter paint, List<String> words, List<HeadFocus> heads, int perLayer) {
        paint.heading("Attention: the token that each head looks at most from the last one, and its share");
        int width = Painter.width(12, heads.stream().map(focus -> looks(focus, words)));
        for (int from = 0; from < heads.size(); from += perLayer) {
            StringBuilder line = new StringBuilder("  layer " + Painter.pad(Integer.toString(from / perLayer), 3));
            for (HeadFocus focus : heads.subList(from, from + perLayer)) {
                line.append(paint.shaded(
                                Output.format(
                                        " H%d %s %.2f ",
                                        focus.head(), Painter.pad(looks(focus, words), width), focus.weight()),
                                focus.weight()))
                        .append(' ');
            }
            paint.line(line.toString());
        }
    }

    private static void printContributions(Painter paint, String first, String second, PredictionReport found) {
        List<Contribution> contributions = found.contributions();
        paint.heading(Output.format(
                "Direct logit attribution: which part speaks for %s (+) and for %s (-); logit difference %.3f",
                first, second, found.logitDifference()));
        Map<String, Double> bars = new LinkedHashMap<>();
        contributions.stream().limit(COMPONENTS_SHOWN).forEach(c -> bars.put(c.component(), c.logitDifference()));
        if (contributions.size() > COMPONENTS_SHOWN) {
            bars.put(
                    "others (" + (contributions.size() - COMPONENTS_SHOWN) + ")",
                    contributions.stream()
                            .skip(COMPONENTS_SHOWN)
                            .mapToDouble(Contribution::logitDifference)
                            .sum());
        }
        // The others may be more together than any single one.
        double largest = bars.values().stream().mapToDouble(Math::abs).max().orElse(0);
        bars.forEach((component, value) ->
                paint.line(Output.format("  %-11s %8.3f %s", component, value, paint.bar(value, largest))));
    }
}
