package dev.loupe.analysis.pages;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.ColoredTokens;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.Provenance;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.Arrays;
import org.apiguardian.api.API;

/** A text continued plainly and with a push, token for token on the colours of what the unsteered model expects. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SteeringPage {

    private SteeringPage() {}

    /**
     * The page.
     *
     * @param model the model without the push
     * @param promptLength how many tokens both texts begin with, BOS included
     * @param plain the ids of the plain continuation, the prompt in front
     * @param steered the ids of the steered one
     */
    public static HtmlPage of(HookedTransformer model, int promptLength, long[] plain, long[] steered) {
        String prompt = LensPage.text(model, Arrays.copyOf(plain, promptLength));
        return HtmlPage.of(
                        "Steering “" + prompt + "”",
                        view(model, "The plain continuation", promptLength, plain),
                        view(model, "The steered continuation", promptLength, steered))
                .from(Provenance.of(model).prompt(prompt));
    }

    private static ColoredTokens view(HookedTransformer model, String title, int promptLength, long[] ids) {
        double[] loss = model.lossPerToken(Tokens.of(ids)).toDoubleArray();
        double[] probabilities = new double[ids.length];
        probabilities[0] = Double.NaN; // Nothing comes before it.
        for (int i = 1; i < ids.length; i++) {
            probabilities[i] = Math.exp(-loss[i - 1]);
        }
        return ColoredTokens.builder(title, TokenTexts.of(model, ids))
                .note(
                        "The colour is the probability that the unsteered model gives each token, on the same scale for both"
                                + " texts.")
                .values("probability", probabilities)
                .continuationFrom(promptLength)
                .scale(ColorScale.sequential(0, 1))
                .build();
    }
}
