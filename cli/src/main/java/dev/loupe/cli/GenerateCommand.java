package dev.loupe.cli;

import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe generate}: goes on with a text. */
@Command(name = "generate", mixinStandardHelpOptions = true, description = "Continue a text, token by token.")
final class GenerateCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(
            names = "--max-new-tokens",
            defaultValue = "20",
            paramLabel = "N",
            description = "How many tokens at most. Default: 20.")
    private int maxNewTokens;

    @Option(
            names = "--temperature",
            defaultValue = "0",
            paramLabel = "T",
            description = "0, the default, takes the most likely token.")
    private double temperature;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K", description = "Only the K most likely; 0 for all.")
    private int topK;

    @Option(
            names = "--top-p",
            defaultValue = "1",
            paramLabel = "P",
            description = "Only the most likely that together have probability P.")
    private double topP;

    @Option(
            names = "--freq-penalty",
            defaultValue = "0",
            paramLabel = "F",
            description = "Lowers a logit by F for each time the token stands in the text so far.")
    private double freqPenalty;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "S", description = "The same seed, the same text.")
    private long seed;

    @Option(names = "--ignore-eos", description = "Go on after an end-of-text token.")
    private boolean ignoreEos;

    @Option(names = "--no-kv-cache", description = "Compute all positions anew for each token.")
    private boolean noKeyValueCache;

    @Option(names = "--json", description = "Print one JSON object: tokens and text.")
    private boolean json;

    @Override
    public Integer call() {
        if (maxNewTokens < 0) {
            throw new UsageException("--max-new-tokens must be 0 or more, got " + maxNewTokens);
        }
        if (!(temperature >= 0) || topK < 0 || !(topP > 0 && topP <= 1)) {
            throw new UsageException("--temperature and --top-k must be 0 or more, --top-p above 0 and at most 1; got "
                    + temperature + ", " + topK + " and " + topP);
        }
        GenerateOptions how = GenerateOptions.sampling(maxNewTokens, temperature, seed)
                .withTopK(topK)
                .withTopP(topP)
                .withFreqPenalty(freqPenalty)
                .withStopAtEos(!ignoreEos)
                .withKeyValueCache(!noKeyValueCache);
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            try (Generation generation = model.stream(tokens, how)) {
                boolean live = !json && tokens.batch() == 1 && model.tokenizer().isPresent();
                run(model, generation, live);
                if (json) {
                    json(model, generation);
                } else if (!live) {
                    plain(model, generation);
                }
            }
        }
        return 0;
    }

    private void run(HookedTransformer model, Generation generation, boolean live) {
        PrintWriter out = spec.commandLine().getOut();
        int shown = 0;
        // What can't run fails at the first token: before that nothing is shown, or its error would end the prompt's
        // line.
        if (generation.hasNext()) {
            generation.next();
        }
        while (true) {
            if (live) {
                String text = model.toString(generation.tokens().get(0), true);
                // A character of several bytes shows as U+FFFD until its last token is there.
                int end = generation.hasNext() ? complete(text) : text.length();
                out.print(text.substring(Math.min(shown, end), end));
                out.flush();
                shown = Math.max(shown, end);
            }
            if (!generation.hasNext()) {
                break;
            }
            generation.next();
        }
        if (live) {
            out.println();
            out.flush();
        }
    }

    private static int complete(String text) {
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == '\uFFFD') {
            end--;
        }
        return end;
    }

    private void json(HookedTransformer model, Generation generation) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("tokens", generation.tokens().stream().map(Output::list).toList());
        if (model.tokenizer().isPresent()) {
            object.put(
                    "text",
                    generation.tokens().stream()
                            .map(ids -> model.toString(ids, true))
                            .toList());
        }
        Output.json(spec.commandLine().getOut(), object);
    }

    private void plain(HookedTransformer model, Generation generation) {
        PrintWriter out = spec.commandLine().getOut();
        for (long[] ids : generation.tokens()) {
            out.println(model.tokenizer().isPresent() ? model.toString(ids, true) : Output.list(ids));
        }
        out.flush();
    }
}
