package dev.loupe.cli;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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

    @Override
    public Integer call() {
        if (top < 1) {
            throw new IllegalArgumentException("--top must be 1 or more, got " + top);
        }
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            try (RunResult run = model.run(RunRequest.of(tokens).build())) {
                Tensor logits = run.logits().to(DType.FLOAT32);
                List<Map<String, Object>> rows = rows(model, tokens, logits);
                if (json) {
                    Map<String, Object> object = new LinkedHashMap<>();
                    object.put("model", options.model);
                    object.put("backend", model.backend().id());
                    object.put("tokens", Output.rows(tokens));
                    object.put("predictions", rows);
                    if (allLogits) {
                        object.put("logits", Output.nested(logits));
                    }
                    Output.json(spec.commandLine().getOut(), object);
                } else {
                    print(model, rows);
                }
            }
        }
        return 0;
    }

    private List<Map<String, Object>> rows(HookedTransformer model, Tokens tokens, Tensor logits) {
        Tensor.TopK best = logits.topk(Math.min(top, model.config().dVocab()), -1);
        double[] normalizers = logits.logSumExp(-1).toDoubleArray();
        double[] values = best.values().toDoubleArray();
        long[] ids = best.indices().toLongArray();
        int k = (int) best.values().size(-1);
        List<Map<String, Object>> rows = new ArrayList<>();
        for (int row = 0; row < tokens.batch(); row++) {
            for (int position = 0; position < tokens.positions(); position++) {
                if (!tokens.isReal(row, position) || (!allPositions && !isLast(tokens, row, position))) {
                    continue;
                }
                int place = row * tokens.positions() + position;
                List<Map<String, Object>> entries = new ArrayList<>();
                for (int i = place * k; i < (place + 1) * k; i++) {
                    Map<String, Object> entry = new LinkedHashMap<>();
                    entry.put("id", ids[i]);
                    model.tokenizer().ifPresent(t -> entry.put("token", t.tokenText((long) entry.get("id"))));
                    entry.put("logit", values[i]);
                    entry.put("probability", Math.exp(values[i] - normalizers[place]));
                    entries.add(entry);
                }
                Map<String, Object> object = new LinkedHashMap<>();
                object.put("row", row);
                object.put("position", position);
                object.put("after", tokens.id(row, position));
                object.put("top", entries);
                rows.add(object);
            }
        }
        return rows;
    }

    private static boolean isLast(Tokens tokens, int row, int position) {
        for (int i = position + 1; i < tokens.positions(); i++) {
            if (tokens.isReal(row, i)) {
                return false;
            }
        }
        return true;
    }

    private void print(HookedTransformer model, List<Map<String, Object>> rows) {
        PrintWriter out = spec.commandLine().getOut();
        for (Map<String, Object> row : rows) {
            out.println(Output.format(
                    "sequence %s, position %s, after %s",
                    row.get("row"), row.get("position"), Output.token(model, (long) row.get("after"))));
            for (Object item : (List<?>) row.get("top")) {
                Map<?, ?> entry = (Map<?, ?>) item;
                out.println(Output.format(
                        "  %-20s %8.4f  %6.2f%%",
                        Output.token(model, (long) entry.get("id")),
                        entry.get("logit"),
                        100 * (double) entry.get("probability")));
            }
        }
        out.flush();
    }
}
