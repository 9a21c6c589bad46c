package dev.loupe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Option(names = "--top", defaultValue = "10", paramLabel = "N", description = "How many tokens. Default: 10.")
    private int top;

    @Option(names = "--all-positions", description = "At every position, not only the last real one.")
    private boolean allPositions;

    @Option(names = "--json", description = "Print one JSON object; it holds all logits with --all-logits.")
    private boolean json;

    @Option(names = "--all-logits", description = "With --json: every logit, [batch][position][token].")
    private boolean allLogits;

    /** The likeliest tokens after one token of one sequence. */
    private record Place(int row, int position, long after, List<Candidate> top) {}

    /** A token that may come next; its text is unknown without a tokenizer. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Candidate(long id, @Nullable String token, double logit, double probability) {}

    @Override
    public Integer call() {
        if (top < 1) {
            throw new IllegalArgumentException("--top must be 1 or more, got " + top);
        }
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            try (RunResult run = model.run(RunRequest.of(tokens).build())) {
                Tensor logits = run.logits().to(DType.FLOAT32);
                List<Place> places = places(model, tokens, logits);
                if (json) {
                    Map<String, Object> object = new LinkedHashMap<>();
                    object.put("model", options.model);
                    object.put("backend", model.backend().id());
                    object.put("tokens", Output.rows(tokens));
                    object.put("predictions", places);
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

    private List<Place> places(HookedTransformer model, Tokens tokens, Tensor logits) {
        Tensor.TopK best = logits.topk(Math.min(top, model.config().dVocab()), -1);
        double[] normalizers = logits.logSumExp(-1).toDoubleArray();
        double[] values = best.values().toDoubleArray();
        long[] ids = best.indices().toLongArray();
        int k = (int) best.values().size(-1);
        List<Place> places = new ArrayList<>();
        for (int row = 0; row < tokens.batch(); row++) {
            for (int position = 0; position < tokens.positions(); position++) {
                if (!tokens.isReal(row, position) || (!allPositions && position != tokens.lastReal(row))) {
                    continue;
                }
                int place = row * tokens.positions() + position;
                List<Candidate> candidates = new ArrayList<>();
                for (int i = place * k; i < (place + 1) * k; i++) {
                    long id = ids[i];
                    candidates.add(new Candidate(
                            id,
                            model.tokenizer().map(t -> t.tokenText(id)).orElse(null),
                            values[i],
                            Math.exp(values[i] - normalizers[place])));
                }
                places.add(new Place(row, position, tokens.id(row, position), candidates));
            }
        }
        return places;
    }

    private void print(HookedTransformer model, List<Place> places) {
        PrintWriter out = spec.commandLine().getOut();
        for (Place place : places) {
            out.println(Output.format(
                    "sequence %s, position %s, after %s",
                    place.row(), place.position(), Output.token(model, place.after())));
            for (Candidate candidate : place.top()) {
                out.println(Output.format(
                        "  %-20s %8.4f  %6.2f%%",
                        Output.token(model, candidate.id()), candidate.logit(), 100 * candidate.probability()));
            }
        }
        out.flush();
    }
}
