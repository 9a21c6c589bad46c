package dev.loupe.examples;

import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.analysis.residual.DirectLogitAttribution;
import dev.loupe.analysis.residual.DirectLogitAttribution.Attributions;
import dev.loupe.analysis.residual.Targets;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.Locale;

/**
 * Indirect object identification: which heads move the name? Asked in three ways. By patching: whose output of the run on
 * the one sentence brings its answer back in a run on the other. By attribution: which parts turn what is moved into the
 * answer. By ablation: without which heads is the answer lost.
 */
final class IoiPatching {

    private IoiPatching() {}

    public static void main(String[] args) {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
            Tokens clean = model.toTokens("When Mary and John went to the store, John gave a drink to");
            Tokens corrupt = model.toTokens("When Mary and John went to the store, Mary gave a drink to");
            LogitMetric difference = LogitMetric.logitDifference(model, " Mary", " John");
            System.out.println(ActivationPatching.between(model, clean, corrupt, difference)
                    .run(Sweep.ATTN_HEAD_OUT_ALL_POS));

            CachedRun run = model.runWithCache(clean);
            Attributions parts = DirectLogitAttribution.of(
                            run.cache(), Targets.text(model, " Mary"), Targets.text(model, " John"))
                    .layers(-1);
            parts.values()
                    .topEntries(3)
                    .forEach(part -> System.out.printf(
                            Locale.ROOT,
                            "%s writes %.2f for Mary%n",
                            parts.labels().get(part.index().get(0)),
                            part.value()));

            System.out.println(Ablation.zero().heads(model, clean, difference));
        }
    }
}
