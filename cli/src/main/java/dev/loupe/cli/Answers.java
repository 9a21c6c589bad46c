package dev.loupe.cli;

import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;

/** The two tokens whose logits commands compare. */
final class Answers {

    private Answers() {}

    /** The ids of an answer and of a wrong one, which differ. */
    private record Ids(long answer, long wrong) {}

    /**
     * How much more an answer's logit is than a wrong one's.
     *
     * @throws IllegalArgumentException if one isn't one token, or both are the same
     */
    static LogitMetric difference(HookedTransformer model, String answer, String wrong) {
        Ids ids = ids(model, answer, wrong);
        return LogitMetric.logitDifference(ids.answer(), ids.wrong());
    }

    /**
     * The same, as something that has derivatives.
     *
     * @throws IllegalArgumentException if one isn't one token, or both are the same
     */
    static Metric differentiable(HookedTransformer model, String answer, String wrong) {
        ids(model, answer, wrong);
        return Metric.logitDifference(model, answer, wrong);
    }

    private static Ids ids(HookedTransformer model, String answer, String wrong) {
        if (answer.equals(wrong)) {
            throw new IllegalArgumentException("The answer and the wrong answer are both " + Output.quote(answer)
                    + ": give two tokens to tell apart");
        }
        Ids ids = new Ids(model.toSingleToken(answer), model.toSingleToken(wrong));
        if (ids.answer() == ids.wrong()) {
            throw new IllegalArgumentException("The answer " + Output.quote(answer) + " and the wrong answer "
                    + Output.quote(wrong) + " are the same token, " + ids.answer()
                    + ": give two tokens to tell apart");
        }
        return ids;
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
