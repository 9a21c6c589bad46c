package dev.loupe.cli;

import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe gradients}: the derivatives of a number with respect to activations, in a file. */
@Command(
        name = "gradients",
        mixinStandardHelpOptions = true,
        description = "Write the derivatives of a metric with respect to activations to a safetensors file.")
final class GradientsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final OptionalAnswerOptions answers = new OptionalAnswerOptions();

    @Option(
            names = "--of",
            paramLabel = "WHAT",
            description =
                    "What is differentiated: diff:A,B (logit of token id A minus that of B), logit:A, logprob:A, at"
                            + " each sequence's last real position and as a mean over the batch; or loss.")
    private @Nullable String of;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "The file to write: FILE.safetensors.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(
            names = "--names",
            paramLabel = "GLOB[,GLOB…]",
            description = "Hook points, such as '*hook_resid_pre' or 'blocks.3.*'. Default: all standard ones.")
    private @Nullable String names;

    @Override
    public Integer call() {
        if ((of == null) != answers.isGiven()) {
            throw new ParameterException(
                    spec.commandLine(), "Say what is differentiated: --of diff:5,9, or --answer TOKEN --wrong TOKEN");
        }
        Optional<Metric> given = Optional.ofNullable(of).map(text -> metric("--of", text));
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            Metric wanted = given.or(() -> answers.difference(model)).orElseThrow();
            HookFilter filter = names == null ? HookFilter.standard() : HookFilter.glob(names);
            RunRequest request = RunRequest.of(tokens)
                    .gradients(wanted, filter)
                    .returns(RunRequest.Returns.NONE)
                    .build();
            try (RunResult run = model.run(request)) {
                SafetensorsWriter writer = new SafetensorsWriter();
                writer.metadata("loupe.model", options.model);
                writer.metadata("loupe.metric", wanted.name());
                writer.add("tokens", Output.ids(tokens));
                writer.add("metric", run.metric().toHost());
                run.gradients()
                        .items()
                        .forEach((name, tensor) -> writer.add(name, tensor.dtype(), tensor.shape(), tensor::toHost));
                writer.write(out);
                spec.commandLine()
                        .getOut()
                        .println(Output.format(
                                "Wrote the derivatives of %s (%s) at %s hook points to %s (backend %s)",
                                wanted.name(),
                                Output.format("%.6g", run.metric().item()),
                                run.gradients().size(),
                                out,
                                model.backend().id()));
                spec.commandLine().getOut().flush();
            }
        }
        return 0;
    }

    /** A metric from its text, which an option was given. */
    static Metric metric(String option, String text) {
        if (text.equals("loss")) {
            return Metric.loss();
        }
        int colon = text.indexOf(':');
        String kind = colon < 0 ? text : text.substring(0, colon);
        String numbers = colon < 0 ? "" : text.substring(colon + 1);
        int wanted = kind.equals("diff") ? 2 : 1;
        if (!kind.equals("diff") && !kind.equals("logit") && !kind.equals("logprob")) {
            throw new UsageException(
                    option + " is diff:A,B, logit:A, logprob:A or loss, with token ids; found '" + text + "'");
        }
        long[] ids = PromptOptions.parse(option, kind + (wanted == 1 ? ":5" : ":5,9") + ", with token ids", numbers)
                .get(0);
        if (ids.length != wanted) {
            throw new UsageException(option + " " + kind + " takes " + wanted + " token id"
                    + (wanted == 1 ? "" : "s") + ", as in " + (wanted == 1 ? kind + ":5" : "diff:5,9") + "; found '"
                    + text + "'");
        }
        return switch (kind) {
            case "diff" -> Metric.logitDifference(ids[0], ids[1]);
            case "logit" -> Metric.logit(ids[0]);
            default -> Metric.logProbability(ids[0]);
        };
    }
}
