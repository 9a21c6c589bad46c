package dev.loupe.examples;

import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.Metric;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.analysis.residual.DirectLogitAttribution;
import dev.loupe.analysis.residual.DirectLogitAttribution.Attributions;
import dev.loupe.analysis.residual.Targets;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Indirect object identification: which heads move the name? Asked by patching: whose output of the run on the one
 * sentence brings its answer back in a run on the other. Then: where the strongest of them looks, and which part of the
 * model turns what it brings into the answer.
 */
final class IoiPatching {

    private IoiPatching() {}

    public static void main(String[] args) {
        String cleanText = "When Mary and John went to the store, John gave a drink to";
        String corruptText = "When Mary and John went to the store, Mary gave a drink to";
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
            Tokens clean = model.toTokens(cleanText);
            Tokens corrupt = model.toTokens(corruptText);
            ActivationCache cache = model.runWithCache(clean).cache();
            Metric difference = Metric.logitDifference(model, " Mary", " John");
            double cleanDifference = difference.ofRun(model, clean);
            double corruptDifference = difference.ofRun(model, corrupt);
            System.out.printf(
                    Locale.ROOT,
                    "logit difference Mary - John: clean %.2f, corrupt %.2f%n",
                    cleanDifference,
                    corruptDifference);

            // Each head's output of the clean run, patched into the corrupt one: 1 brings everything back.
            Tensor effect = ActivationPatching.of(
                            model, corrupt, cache, difference.normalized(corruptDifference, cleanDifference))
                    .run(Sweep.ATTN_HEAD_OUT_ALL_POS)
                    .values();
            int heads = model.config().nHeads();
            double[] effects = effect.toDoubleArray();
            List<Integer> strongest = IntStream.range(0, effects.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble(head -> -effects[head]))
                    .limit(4)
                    .toList();
            for (int head : strongest) {
                System.out.printf(Locale.ROOT, "L%dH%d brings back %.2f%n", head / heads, head % heads, effects[head]);
            }

            int best = strongest.get(0);
            List<String> words = model.toStrTokens(cleanText);
            double[] looks =
                    cache.get("pattern", best / heads).get(0, best % heads, -1).toDoubleArray();
            System.out.printf("from the last token, L%dH%d looks at%n", best / heads, best % heads);
            IntStream.range(0, looks.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble(position -> -looks[position]))
                    .limit(3)
                    .forEach(position -> System.out.printf(
                            Locale.ROOT, "  %2d:%-6s %.2f%n", position, words.get(position), looks[position]));

            Attributions written = DirectLogitAttribution.of(
                            cache, Targets.text(model, " Mary"), Targets.text(model, " John"))
                    .layers(-1);
            int writer = (int) written.values().argmax(0).item();
            System.out.printf(
                    Locale.ROOT,
                    "what speaks most for Mary is %s: %.2f%n",
                    written.labels().get(writer),
                    written.values().item(writer));
        }
    }
}
