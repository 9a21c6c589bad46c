package dev.loupe.cli;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.heads.HeadViews;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe attention}: where heads look. */
@Command(
        name = "attention",
        mixinStandardHelpOptions = true,
        description = "Show where each head looks, from every token.")
final class AttentionCommand implements Callable<Integer> {

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(names = "--layer", paramLabel = "L", description = "One layer only; negative counts from the end.")
    private @Nullable Integer layer;

    @Option(names = "--head", paramLabel = "H", description = "One head of each layer only.")
    private @Nullable Integer head;

    @Override
    public Integer call() {
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.single(model);
            List<String> words = TokenTexts.of(model, tokens.row(0));
            List<Integer> layers = chosen("--layer", layer, model.config().nLayers());
            List<Integer> heads = chosen("--head", head, model.config().nHeads());
            HookFilter patterns =
                    HookFilter.names(layers.stream().map(l -> "pattern" + l).toList());
            try (CachedRun run = model.runWithCache(tokens, patterns)) {
                report.tell(
                        () -> object(run.cache(), words, layers, heads),
                        paint -> print(paint, run.cache(), words, layers, heads),
                        () -> HtmlPage.of(
                                        "Where the heads look in “" + prompt.title() + "”",
                                        HeadViews.patterns(run.cache(), 0, words, layers, heads))
                                .from(options.provenance(model).prompt(PromptOptions.text(model, tokens))));
            }
        }
        return 0;
    }

    private static List<Integer> chosen(String option, @Nullable Integer number, int count) {
        if (number == null) {
            return Output.range(count);
        }
        int index = number < 0 ? number + count : number;
        if (index < 0 || index >= count) {
            throw new UsageException(
                    option + " " + number + " is out of range: there are " + count + ", counted from 0");
        }
        return List.of(index);
    }

    private static String name(int layer, int head) {
        return "L" + layer + "H" + head;
    }

    private Map<String, Object> object(
            ActivationCache cache, List<String> words, List<Integer> layers, List<Integer> heads) {
        Map<String, Object> patterns = new LinkedHashMap<>();
        for (int l : layers) {
            for (int h : heads) {
                patterns.put(name(l, h), Output.nested(cache.get("pattern", l).get(0, h)));
            }
        }
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("model", options.model);
        object.put("tokens", words);
        object.put("patterns", patterns);
        return object;
    }

    /** How wide the widest word is in quotation marks. */
    private static int width(List<String> words) {
        return Painter.width(0, words.stream().map(Output::quote));
    }

    private static void print(
            Painter paint, ActivationCache cache, List<String> words, List<Integer> layers, List<Integer> heads) {
        for (int l : layers) {
            for (int h : heads) {
                int place = Math.max(20, 3 + width(words));
                int from = Math.max(17, 3 + width(words));
                paint.heading(name(l, h) + ": from each token to the three it looks at most");
                Tensor.TopK most = cache.get("pattern", l).get(0, h).topk(Math.min(3, words.size()), -1);
                for (int position = 0; position < words.size(); position++) {
                    StringBuilder line = new StringBuilder(
                            "  " + Painter.pad(position + ":" + Output.quote(words.get(position)), place) + " ");
                    double[] weights = most.values().select(0, position).toDoubleArray();
                    long[] sources = most.indices().select(0, position).toLongArray();
                    for (int i = 0; i < Math.min(weights.length, position + 1); i++) {
                        String source = sources[i] + ":" + Output.quote(words.get((int) sources[i]));
                        line.append(paint.shaded(
                                        Painter.pad(source, from) + Output.format(" %.2f", weights[i]), weights[i]))
                                .append("  ");
                    }
                    paint.line(line.toString());
                }
            }
        }
    }
}
