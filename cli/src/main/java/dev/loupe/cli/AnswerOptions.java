package dev.loupe.cli;

import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.tensor.Tensor;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The two tokens whose logits a command compares. */
final class AnswerOptions {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(names = "--answer", required = true, paramLabel = "TOKEN", description = "The answer, such as \" Mary\".")
    @SuppressWarnings("NullAway.Init")
    private String answer;

    @Option(names = "--wrong", required = true, paramLabel = "TOKEN", description = "The wrong answer: \" John\".")
    @SuppressWarnings("NullAway.Init")
    private String wrong;

    /** How much more the answer's logit is than the wrong one's. */
    LogitMetric difference(HookedTransformer model) {
        return Answers.difference(model, answer, wrong);
    }

    /** The same, as something that has derivatives. */
    Metric differentiable(HookedTransformer model) {
        return Answers.differentiable(model, answer, wrong);
    }

    /** Tells of a token that was given without its space. */
    void hint(HookedTransformer model, Tensor logits) {
        Answers.hint(command.commandLine().getErr(), model, logits, answer, wrong);
    }

    /** {@code " Mary" and " John"}. */
    String both() {
        return Output.quote(answer) + " and " + Output.quote(wrong);
    }

    String answer() {
        return answer;
    }

    String wrong() {
        return wrong;
    }
}
