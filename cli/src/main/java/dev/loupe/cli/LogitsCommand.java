package dev.loupe.cli;

import dev.loupe.analysis.prediction.NextTokens;
import dev.loupe.analysis.prediction.NextTokens.Candidate;
import dev.loupe.analysis.prediction.NextTokens.Place;
import dev.loupe.array.DType;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe logits}: what comes next, and how sure the model is. */
@Command(
        name = "logits",
        mixinStandardHelpOptions = true,
        description = "Print the most likely next tokens of each sequence.")
final class LogitsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(names = "--top", defaultValue = "10", paramLabel = "N", description = "How many tokens. Default: 10.")
    private int top;

    @Option(names = "--all-positions", description = "At every position, not only the last real one.")
    private boolean allPositions;

    @Option(names = "--json", description = "Print one JSON object; it holds all logits with --all-logits.")
    private boolean json;

    @Option(names = "--all-logits", description = "With --json: every logit, [batch][position][token].")
    private boolean allLogits;

    @Override
    public Integer call() {
        if (top < 1) {
            throw new UsageException("--top must be 1 or more, got " + top);
        }
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            try (RunResult run = model.run(RunRequest.of(tokens).build())) {
                Tensor logits = run.logits().to(DType.FLOAT32);
                List<Place> places = allPositions
                        ? NextTokens.afterEveryToken(logits, tokens, top)
                        : NextTokens.afterEach(logits, tokens, top);
                requireFinite(model, tokens, places);
                if (json) {
                    Map<String, Object> object = Output.object(
                            "model", options.model,
                            "backend", model.backend().id(),
                            "tokens", Output.rows(tokens),
                            "predictions",
                                    places.stream()
                                            .map(place -> object(model, place))
                                            .toList());
                    if (allLogits) {
                        object.put("logits", Output.nested(logits));
                    }
                    Output.json(spec.commandLine().getOut(), object);
                } else {
                    print(model, places);
                }
            }
        }
        return 0;
    }

    /** A logit that is NaN or infinite makes every probability beside it NaN. */
    private void requireFinite(HookedTransformer model, Tokens tokens, List<Place> places) {
        if (places.stream()
                .flatMap(place -> place.candidates().stream())
                .noneMatch(one -> Double.isNaN(one.probability()))) {
            return;
        }
        String first = "";
        try (CachedRun run = model.runWithCache(tokens)) {
            for (Map.Entry<String, Tensor> point : run.cache().items().entrySet()) {
                if (Arrays.stream(point.getValue().toDoubleArray()).anyMatch(Double::isNaN)) {
                    first = "; the first hook point with NaN is " + point.getKey();
                    break;
                }
            }
        }
        throw new IllegalStateException(
                "The logits of '" + options.model + "' aren't finite in " + model.dtype() + first
                        + ". Weights that aren't finite, interventions, or a --dtype with too small a range may be why");
    }

    private static Map<String, Object> object(HookedTransformer model, Place place) {
        return Output.object(
                "row",
                place.row(),
                "position",
                place.position(),
                "after",
                place.after(),
                "top",
                place.candidates().stream().map(one -> object(model, one)).toList());
    }

    private static Map<String, Object> object(HookedTransformer model, Candidate candidate) {
        Map<String, Object> object = Output.object("id", candidate.id());
        model.tokenizer().ifPresent(tokenizer -> object.put("token", tokenizer.tokenText(candidate.id())));
        object.put("logit", candidate.logit());
        object.put("probability", candidate.probability());
        return object;
    }

    private void print(HookedTransformer model, List<Place> places) {
        PrintWriter out = spec.commandLine().getOut();
        for (Place place : places) {
            out.println(Output.format(
                    "sequence %s, position %s, after %s; next token, logit, probability:",
                    place.row(), place.position(), Output.token(model, place.after())));
            for (Candidate candidate : place.candidates()) {
                out.println(Output.format(
                        "  %-20s %8.4f  %6.2f%%",
                        Output.token(model, candidate.id()), candidate.logit(), 100 * candidate.probability()));
            }
        }
        out.flush();
    }
}
