package dev.loupe.cli;

import dev.loupe.analysis.pages.SteeringPage;
import dev.loupe.analysis.steering.SteeringVector;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe steer}: the same prompt continued with and without a push. */
@Command(
        name = "steer",
        mixinStandardHelpOptions = true,
        description = "Continue a text while a steering vector, the difference between two prompts, is added to the"
                + " residual stream.")
final class SteerCommand implements Callable<Integer> {

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Option(names = "--positive", required = true, paramLabel = "TEXT", description = "A prompt that has it.")
    @SuppressWarnings("NullAway.Init")
    private String positive;

    @Option(names = "--negative", required = true, paramLabel = "TEXT", description = "A prompt that hasn't.")
    @SuppressWarnings("NullAway.Init")
    private String negative;

    @Option(
            names = "--layer",
            defaultValue = "-2",
            paramLabel = "L",
            description = "After which layer; negative from the end. Default: ${DEFAULT-VALUE}.")
    private int layer;

    @Option(names = "--coefficient", defaultValue = "1", paramLabel = "C", description = "How strongly. Default: 1.")
    private double coefficient;

    @Option(names = "--max-new-tokens", defaultValue = "12", paramLabel = "N", description = "How many. Default: 12.")
    private int maxNewTokens;

    @Option(
            names = "--out",
            paramLabel = "FILE.json",
            converter = OutputPath.class,
            description =
                    "Also write the push as an intervention, for --interventions of other commands, and the vector"
                            + " beside it as FILE.safetensors.")
    private @Nullable Path out;

    @Override
    public Integer call() {
        if (maxNewTokens < 0) {
            throw new UsageException("--max-new-tokens must be 0 or more, got " + maxNewTokens);
        }
        if (positive.equals(negative)) {
            throw new UsageException(
                    "--positive and --negative are the same text: there is nothing between them to steer by");
        }
        prompt.read();
        try (HookedTransformer model = options.load()) {
            SteeringVector vector = SteeringVector.fromContrast(model, positive, negative, layer);
            Tokens tokens = prompt.single(model);
            GenerateOptions how = GenerateOptions.greedy(maxNewTokens);
            long[] plain = model.generate(tokens, how).get(0);
            long[] steered = model.generate(tokens, how.withHooks(vector.intervention(coefficient)))
                    .get(0);
            Path file = out;
            Path vectorFile = file == null ? null : vector.save(file, coefficient);
            String plainText = model.toString(plain, true);
            String steeredText = model.toString(steered, true);
            report.tell(
                    () -> Output.object(
                            "model",
                            options.model,
                            "plain",
                            plainText,
                            "steered",
                            steeredText,
                            "plain_tokens",
                            Output.list(plain),
                            "steered_tokens",
                            Output.list(steered)),
                    paint -> {
                        paint.line("plain:   " + plainText);
                        paint.line("steered: " + steeredText);
                        if (vectorFile != null) {
                            paint.line("");
                            paint.line("The push is in " + file + ", the vector in " + vectorFile);
                        }
                    },
                    () -> SteeringPage.of(model, tokens.positions(), plain, steered)
                            .from(options.provenance(model)
                                    .prompt(PromptOptions.text(model, tokens))
                                    .prompt("positive", positive)
                                    .prompt("negative", negative)
                                    .fact("layer", Integer.toString(vector.layer()))
                                    .fact("coefficient", Output.format("%s", coefficient))));
        }
        return 0;
    }
}
