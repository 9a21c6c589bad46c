package dev.loupe.cli;

import dev.loupe.analysis.steering.SteeringVector;
import dev.loupe.analysis.views.ColoredTokens;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe steer}: the same prompt continued with and without a push. */
@Command(
        name = "steer",
        mixinStandardHelpOptions = true,
        description = "Continue a text while a steering vector, the difference between two prompts, is added to the"
                + " residual stream.")
final class SteerCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(paramLabel = "PROMPT", description = "The text to continue.")
    @SuppressWarnings("NullAway.Init")
    private String prompt;

    @Mixin
    private final ModelOptions options = new ModelOptions();

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

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(
            names = "--html",
            paramLabel = "FILE",
            description = "Also write both texts, with probabilities, as a page.")
    private @Nullable Path html;

    @Override
    public Integer call() {
        if (positive.equals(negative)) {
            throw new IllegalArgumentException(
                    "--positive and --negative are the same text: there is nothing between" + " them to steer by");
        }
        try (HookedTransformer model = options.load()) {
            SteeringVector vector = SteeringVector.fromContrast(model, positive, negative, layer);
            Tokens tokens = model.toTokens(prompt);
            GenerateOptions how = GenerateOptions.greedy(maxNewTokens);
            long[] plain = model.generate(tokens, how).get(0);
            long[] steered = model.generate(tokens, how.withHooks(vector.hook(coefficient)))
                    .get(0);
            report(model, plain, steered);
        }
        return 0;
    }

    private void report(HookedTransformer model, long[] plain, long[] steered) {
        String plainText = model.toString(plain, true);
        String steeredText = model.toString(steered, true);
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("plain", plainText);
            object.put("steered", steeredText);
            object.put("plain_tokens", Output.list(plain));
            object.put("steered_tokens", Output.list(steered));
            Output.json(spec.commandLine().getOut(), object);
        } else {
            spec.commandLine().getOut().println("plain:   " + plainText);
            spec.commandLine().getOut().println("steered: " + steeredText);
            spec.commandLine().getOut().flush();
        }
        if (html != null) {
            HtmlPage.of("Steering: " + prompt, List.of(view(model, "Plain", plain), view(model, "Steered", steered)))
                    .write(html);
        }
    }

    /** A text coloured by how likely the unsteered model finds each of its tokens. */
    private static ColoredTokens view(HookedTransformer model, String title, long[] ids) {
        double[] loss = model.lossPerToken(Tokens.of(ids)).toDoubleArray();
        double[] probabilities = new double[ids.length];
        probabilities[0] = Double.NaN; // Nothing comes before it.
        for (int i = 1; i < ids.length; i++) {
            probabilities[i] = Math.exp(-loss[i - 1]);
        }
        return ColoredTokens.builder(title, model.toStrTokens(ids))
                .note("Coloured by the probability that the unsteered model gives each token.")
                .values("probability", probabilities)
                .build();
    }
}
