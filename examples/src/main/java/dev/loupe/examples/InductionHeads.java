package dev.loupe.examples;

import dev.loupe.analysis.heads.HeadScores;
import dev.loupe.analysis.heads.RepeatedTokens;
import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.Component;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
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
            ActivationCache cache =
                    model.runWithCache(tokens, HookFilter.glob("*hook_pattern")).cache();
            Tensor previous = HeadScores.of(cache).previousToken(tokens);
            Tensor induction = HeadScores.of(cache).induction(tokens);

            List<Component> found = new ArrayList<>();
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                for (int head = 0; head < model.config().nHeads(); head++) {
                    if (previous.item(layer, head) > 0.5) {
                        System.out.printf(
                                Locale.ROOT,
                                "L%dH%d looks at the token before: %.2f%n",
                                layer,
                                head,
                                previous.item(layer, head));
                    }
                    if (induction.item(layer, head) > 0.5) {
                        System.out.printf(
                                Locale.ROOT,
                                "L%dH%d is an induction head: %.2f%n",
                                layer,
                                head,
                                induction.item(layer, head));
                        found.add(Component.head(layer, head));
                    }
                }
            }

            System.out.printf(Locale.ROOT, "loss on the second half: %.2f%n", secondHalf(model, tokens));
            Intervention[] without = Ablation.zero().interventions(model, tokens, found.toArray(new Component[0]));
            try (HookHandle hooks = model.hooks(without)) {
                System.out.printf(Locale.ROOT, "without the induction heads:  %.2f%n", secondHalf(model, tokens));
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
