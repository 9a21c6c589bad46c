package dev.loupe.analysis.pages;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.heads.HeadViews;
import dev.loupe.analysis.residual.LogitDifference;
import dev.loupe.analysis.residual.LogitLens;
import dev.loupe.analysis.views.Bars;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.Provenance;
import dev.loupe.analysis.views.View;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apiguardian.api.API;

/**
 * How a model comes to its next token: what it predicts, what it would say after each layer, which of its parts speak for
 * the answer, and where its heads look.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class LensPage {

    private static final int PREDICTIONS = 8;

    private final HookedTransformer model;
    private final CachedRun run;
    private final List<String> words;

    private LensPage(CachedRun run, Tokens tokens) {
        this.model = run.cache().model();
        this.run = run;
        this.words = TokenTexts.of(model, tokens.row(0));
    }

    /**
     * The page of a run's first sequence; who speaks for the likeliest next token is told against the second likeliest.
     *
     * @param run every standard activation, and logits of all positions
     * @param tokens what was run
     */
    public static HtmlPage of(CachedRun run, Tokens tokens) {
        long[] best = run.logits().get(0, -1).topk(2, 0).indices().toLongArray();
        return of(run, tokens, best[0], best[1]);
    }

    /**
     * The page of a run's first sequence.
     *
     * @param run every standard activation, and logits of all positions
     * @param tokens what was run
     * @param answer the token whose logit is explained
     * @param wrong the token that it is compared with
     */
    public static HtmlPage of(CachedRun run, Tokens tokens, long answer, long wrong) {
        LensPage page = new LensPage(run, tokens);
        String text = text(page.model, tokens.row(0));
        List<View> views = new ArrayList<>();
        views.add(page.predictions());
        views.add(LogitLens.of(run.cache()).topK(3).watch(answer).read().view(0, page.words));
        views.addAll(page.attribution(answer, wrong));
        views.add(HeadViews.patterns(run.cache(), 0, page.words));
        return HtmlPage.of("How the model continues “" + shortened(text) + "”", views)
                .from(Provenance.of(page.model).prompt(text));
    }

    /** A sequence as text without special tokens; of a model without a tokenizer, its ids. */
    static String text(HookedTransformer model, long[] ids) {
        return model.tokenizer().isPresent() ? model.toString(ids, true) : String.join(" ", TokenTexts.of(model, ids));
    }

    private static String shortened(String text) {
        int letters = 80;
        return text.length() <= letters ? text : "…" + text.substring(text.length() - letters + 1);
    }

    private Bars predictions() {
        Tensor last = run.logits().get(0, -1);
        double normalizer = last.logSumExp(0).item();
        Tensor.TopK best = last.topk(Math.min(PREDICTIONS, model.config().dVocab()), 0);
        double[] logits = best.values().toDoubleArray();
        List<String> names = TokenTexts.of(model, best.indices().toLongArray());
        Bars.Builder bars = Bars.builder("What comes next")
                .note("The likeliest next tokens and their probabilities.")
                .unit("%")
                .scale(ColorScale.sequential(0, 1));
        for (int i = 0; i < logits.length; i++) {
            bars.bar(names.get(i), Math.exp(logits[i] - normalizer));
        }
        return bars.build();
    }

    private List<View> attribution(long answer, long wrong) {
        List<LogitDifference.Part> parts = LogitDifference.parts(run.cache(), 0, answer, wrong);
        Tensor last = run.logits().get(0, -1);
        double total = last.item(answer) - last.item(wrong);
        double rest =
                total - parts.stream().mapToDouble(LogitDifference.Part::value).sum();

        List<String> names = TokenTexts.of(model, new long[] {answer, wrong});
        String title = "Who speaks for “" + names.get(0) + "” against “" + names.get(1) + "”";
        Bars.Builder bars = Bars.builder(title)
                .note(String.format(
                        Locale.ROOT,
                        "Direct logit attribution at the last token: what each part adds to the difference of the two"
                                + " logits, %.3f.%s",
                        total,
                        Math.abs(rest) > 0.01
                                ? String.format(
                                        Locale.ROOT,
                                        " %.3f isn't attributed: the final norm has weights of its own; load the model"
                                                + " with processing.",
                                        rest)
                                : ""))
                .unit("logits")
                .most(14);
        double[][] byHead = new double[model.config().nLayers()][model.config().nHeads()];
        for (LogitDifference.Part part : parts) {
            bars.bar(part.name(), part.value(), part.layer(), part.head());
            if (part.head() >= 0) {
                byHead[part.layer()][part.head()] = part.value();
            }
        }
        HeatMap map = HeatMap.builder("Each head's part in it")
                .note("Positive: the head writes for “" + names.get(0) + "”. Click a head to see where it looks.")
                .values(byHead)
                .rows("layer")
                .columns("head")
                .build();
        return List.of(bars.build(), map);
    }
}
