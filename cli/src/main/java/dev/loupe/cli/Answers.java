package dev.loupe.cli;

import dev.loupe.analysis.patching.Metric;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;

/** The two tokens whose logits commands compare. */
final class Answers {

    private Answers() {}

    /**
     * How much more an answer's logit is than a wrong one's.
     *
     * @throws IllegalArgumentException if one isn't one token, or both are the same
     */
    static Metric difference(HookedTransformer model, String answer, String wrong) {
        if (answer.equals(wrong)) {
            throw new IllegalArgumentException("The answer and the wrong answer are both " + Output.quote(answer)
                    + ": give two tokens to tell apart");
        }
        long first = model.toSingleToken(answer);
        long second = model.toSingleToken(wrong);
        if (first == second) {
            throw new IllegalArgumentException("The answer " + Output.quote(answer) + " and the wrong answer "
                    + Output.quote(wrong) + " are the same token, " + first + ": give two tokens to tell apart");
        }
        return Metric.logitDifference(first, second);
    }

    /**
     * Tells of a token that was given without the space that the model would put in front of it. Many words are a token
     * of their own both with and without one, and a prompt in the middle of a sentence is continued by the first.
     *
     * @param logits of the run that gives the answer
     */
    static void hint(PrintWriter err, HookedTransformer model, Tensor logits, String... given) {
        Tensor last = logits.get(0, -1);
        for (String text : given) {
            String spaced = " " + text;
            boolean bare =
                    !text.startsWith(" ") && model.toTokens(spaced, false).positions() == 1;
            if (bare && last.item(model.toSingleToken(spaced)) > last.item(model.toSingleToken(text))) {
                err.println("loupe: after this prompt the model rather says " + Output.quote(spaced) + " than "
                        + Output.quote(text) + "; did you mean that, with the space?");
            }
        }
        err.flush();
    }
}
