package dev.loupe.cli;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Two tokens whose logits a command may compare. */
final class OptionalAnswerOptions {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(names = "--answer", paramLabel = "TOKEN", description = "The answer, such as \" Mary\". Goes with --wrong.")
    private @Nullable String answer;

    @Option(names = "--wrong", paramLabel = "TOKEN", description = "The wrong answer: \" John\".")
    private @Nullable String wrong;

    /**
     * Whether they were given.
     *
     * @throws ParameterException if one was
     */
    boolean isGiven() {
        if ((answer == null) != (wrong == null)) {
            throw new ParameterException(command.commandLine(), "--answer and --wrong go together");
        }
        return answer != null;
    }

    /** How much more the answer's logit is than the wrong one's, if they were given. */
    Optional<Metric> difference(HookedTransformer model) {
        String right = answer;
        String other = wrong;
        return isGiven() && right != null && other != null
                ? Optional.of(Answers.differentiable(model, right, other))
                : Optional.empty();
    }
}
