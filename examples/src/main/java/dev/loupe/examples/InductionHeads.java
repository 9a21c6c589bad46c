package dev.loupe.examples;

import dev.loupe.analysis.heads.HeadScores;
import dev.loupe.analysis.heads.RepeatedTokens;
import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.Component;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.List;
import java.util.Locale;

/**
 * Induction heads: random tokens that are repeated can only be predicted by looking back. Which heads do that, and what
 * is lost without them?
 */
final class InductionHeads {

    private InductionHeads() {}

    public static void main(String[] args) {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-llama")) {
            Tokens tokens = RepeatedTokens.random(model, 25, 4, 1);
            HeadScores scores = HeadScores.of(
                    model.runWithCache(tokens, HookFilter.glob("*hook_pattern")).cache());
            System.out.println("look at the token before: " + Component.headsAbove(0.5, scores.previousToken(tokens)));
            List<Component> induction = Component.headsAbove(0.5, scores.induction(tokens));
            System.out.println("induction heads: " + induction);

            System.out.printf(Locale.ROOT, "loss on the second half: %.2f%n", secondHalf(model, tokens));
            Intervention[] without = Ablation.zero().interventions(model, tokens, induction);
            try (HookHandle hooks = model.hooks(without)) {
                System.out.printf(Locale.ROOT, "without the induction heads: %.2f%n", secondHalf(model, tokens));
            }
        }
    }

    private static double secondHalf(HookedTransformer model, Tokens tokens) {
        int half = tokens.positions() / 2;
        return model.lossPerToken(tokens)
                .slice(1, half, tokens.positions())
                .mean()
                .item();
    }
}
