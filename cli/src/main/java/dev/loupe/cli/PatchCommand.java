package dev.loupe.cli;

import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.PatchingResult;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.analysis.patching.SweepAxis;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe patch}: which layer, position or head carries what decides the answer. */
@Command(
        name = "patch",
        mixinStandardHelpOptions = true,
        description =
                "Put activations of a clean run into a corrupted one, one at a time, and see which bring the answer"
                        + " back: 0 is the corrupted run, 1 the clean one.")
final class PatchCommand implements Callable<Integer> {

    private static final int ENTRIES_SHOWN = 15;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final PromptPairOptions prompts = new PromptPairOptions();

    @Mixin
    private final AnswerOptions answers = new AnswerOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(
            names = "--sweep",
            defaultValue = "resid_pre",
            paramLabel = "NAME",
            description = "What to patch; resid_pre unless given. Others: resid_mid, attn_out, mlp_out,"
                    + " attn_head_out_all_pos, attn_head_out_by_pos, block_every, …")
    private String sweep = "resid_pre";

    /** The logit differences of the two unpatched runs. */
    private record Baselines(double clean, double corrupted) {}

    @Override
    public Integer call() {
        Sweep chosen = UsageException.read("--sweep", () -> Sweep.of(sweep));
        prompts.read();
        try (HookedTransformer model = options.load()) {
            LogitMetric difference = answers.difference(model);
            PromptPairOptions.Pair pair = prompts.tokens(model);
            List<String> words = model.toStrTokens(pair.corrupt().row(0));
            try (CachedRun run = model.runWithCache(pair.clean());
                    TerminalProgress progress = new TerminalProgress("Patching " + sweep)) {
                answers.hint(model, run.logits());
                Baselines baselines =
                        new Baselines(difference.of(run.logits()), difference.ofRun(model, pair.corrupt()));
                LogitMetric metric = difference.normalized(baselines.corrupted(), baselines.clean());
                PatchingResult result = ActivationPatching.of(model, pair.corrupt(), run.cache(), metric)
                        .progress(progress)
                        .run(chosen);
                report.tell(
                        () -> object(result, words, baselines),
                        paint -> print(paint, model, result, words, baselines),
                        () -> HtmlPage.of(
                                        "Which activations decide between " + answers.both(),
                                        result.view(words, note(baselines)))
                                .from(options.provenance(model)
                                        .prompt("clean", PromptOptions.text(model, pair.clean()))
                                        .prompt("corrupted", PromptOptions.text(model, pair.corrupt()))));
            }
        }
        return 0;
    }

    private Map<String, Object> object(PatchingResult result, List<String> words, Baselines baselines) {
        return Output.object(
                "model", options.model,
                "sweep", sweep,
                "tokens", words,
                "clean_logit_difference", baselines.clean(),
                "corrupted_logit_difference", baselines.corrupted(),
                "axes", result.axes().stream().map(SweepAxis::label).toList(),
                "kinds", result.kinds(),
                "values", Output.nested(result.values()));
    }

    private String note(Baselines baselines) {
        return Output.format(
                "How much of the logit difference between %s and %s comes back when one activation of the clean run is"
                        + " put into the corrupted one: 0 is the corrupted run (%.3f), 1 the clean one (%.3f).",
                Output.quote(answers.answer()),
                Output.quote(answers.wrong()),
                baselines.corrupted(),
                baselines.clean());
    }

    private void print(
            Painter paint, HookedTransformer model, PatchingResult result, List<String> words, Baselines baselines) {
        paint.line(paint.bold(sweep)
                + paint.faint(Output.format(
                        " on %s: logit difference %.3f clean, %.3f corrupted",
                        model.backend().id(), baselines.clean(), baselines.corrupted())));
        double[] values = result.values().toDoubleArray();
        if (result.axes().size() == 2) {
            boolean byPosition = result.axes().get(1) == SweepAxis.POS;
            int columns = (int) result.values().size(1);
            String header = IntStream.range(0, columns)
                    .mapToObj(i -> Painter.pad(byPosition ? clip(words.get(i)) : "H" + i, 7))
                    .collect(Collectors.joining(" "));
            paint.line(paint.faint("  How much of it comes back: a row for each layer, a column for each "
                    + (byPosition ? "token of the corrupted prompt" : "head") + ". 0 is nothing, 1 is all."));
            paint.line("  " + " ".repeat(9) + header);
            for (int row = 0; row < result.values().size(0); row++) {
                StringBuilder line = new StringBuilder("  layer " + Painter.pad(Integer.toString(row), 3));
                for (int column = 0; column < columns; column++) {
                    double value = values[row * columns + column];
                    line.append(paint.shaded(
                                    Painter.pad(Output.format("%.3f", Math.abs(value) < 5e-4 ? 0 : value), 7), value))
                            .append(' ');
                }
                paint.line(line.toString());
            }
        } else {
            printLargest(paint, result, values, words);
        }
    }

    private static String clip(String word) {
        String shown = word.replace('\n', '⏎').strip();
        return shown.length() > 7 ? shown.substring(0, 6) + "…" : shown;
    }

    private static void printLargest(Painter paint, PatchingResult result, double[] values, List<String> words) {
        List<Integer> order =
                new ArrayList<>(IntStream.range(0, values.length).boxed().toList());
        order.sort(Comparator.comparingDouble(i -> -Math.abs(values[i])));
        double largest = values.length == 0 ? 0 : Math.abs(values[order.get(0)]);
        for (int place : order.subList(0, Math.min(ENTRIES_SHOWN, order.size()))) {
            paint.line(Output.format(
                    "  %-44s %7.3f %s", place(result, place, words), values[place], paint.bar(values[place], largest)));
        }
    }

    private static String place(PatchingResult result, int flat, List<String> words) {
        StringBuilder text = new StringBuilder();
        int rest = flat;
        for (int axis = result.axes().size() - 1; axis >= 0; axis--) {
            int size = (int) result.values().size(axis);
            int index = rest % size;
            rest /= size;
            String part = switch (result.axes().get(axis)) {
                case KIND -> result.kinds().get(index);
                case LAYER -> "L" + index;
                case HEAD -> "H" + index;
                case POS, DEST_POS -> index + ":" + Output.quote(words.get(index));
                case SRC_POS -> "from " + index + ":" + Output.quote(words.get(index));
            };
            text.insert(0, part + " ");
        }
        return text.toString().strip();
    }
}
