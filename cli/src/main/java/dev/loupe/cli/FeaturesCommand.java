package dev.loupe.cli;

import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.FeatureReading.TokenFeatures;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.dictionaries.reading.DictionaryQuality;
import dev.loupe.dictionaries.reading.TextBatches;
import dev.loupe.dictionaries.reading.TopActivations;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe features}: what a dictionary sees in a prompt. */
@Command(
        name = "features",
        mixinStandardHelpOptions = true,
        description = "Show which features of a dictionary are active at each token of a prompt, and, with --answer and"
                + " --wrong, how much each moves the difference of these tokens' logits (activation times gradient).")
final class FeaturesCommand implements Callable<Integer> {

    private static final int EXAMPLES = 10;
    private static final int AROUND = 5;
    private static final int CONTEXT = 128;
    private static final int BATCH = 8;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    // With them: how much each feature moves the difference, activation times gradient.
    @Mixin
    private final OptionalAnswerOptions answers = new OptionalAnswerOptions();

    @Option(
            names = "--dictionary",
            defaultValue = "resid_post_2.topk",
            paramLabel = "NAME|DIR|REPO:PATH",
            description = "A bundled dictionary, a directory, or a folder of a repository on the Hugging Face Hub."
                    + " Default: ${DEFAULT-VALUE}.")
    private String name = "resid_post_2.topk";

    @Option(
            names = "--at",
            paramLabel = "POINT",
            description = "The hook point that the dictionary reads, if neither its files nor its name tell.")
    private @Nullable String at;

    @Option(
            names = "--token",
            paramLabel = "N",
            description = "Only the token at this position; negative from the end.")
    private @Nullable Integer token;

    @Option(names = "--top", defaultValue = "5", paramLabel = "K", description = "Features a token. Default: 5.")
    private int top = 5;

    @Option(
            names = "--error-term",
            description = "Add what the dictionary misses back, so that the run stays as it is.")
    private boolean errorTerm;

    @Option(
            names = "--any-options",
            description = "Take another model than the one that the dictionary was trained on, or one that is loaded"
                    + " otherwise.")
    private boolean anyOptions;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            converter = OutputPath.class,
            description =
                    "Write features [batch, pos, size], output and logits (of the run with the dictionary in place)"
                            + " to FILE.safetensors.")
    private @Nullable Path out;

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description = "Go through a text too, a document a line: where in it the features are most active, and how"
                    + " good the dictionary is on it.")
    private @Nullable Path text;

    @Override
    public Integer call() {
        if (top < 1) {
            throw new ParameterException(spec.commandLine(), "--top must be 1 or more, got " + top);
        }
        answers.isGiven();
        prompt.read();
        checkText();
        Dictionary dictionary = Dictionaries.load(name, at, new TerminalProgress("Loading"));
        options.followOptionsOf(dictionary.config().modelOptions());
        SplicedDictionary spliced = dictionary.spliced();
        spliced = errorTerm ? spliced.withErrorTerm() : spliced;
        spliced = anyOptions ? spliced.forAnyOptions() : spliced;
        try (HookedTransformer model = options.load();
                HookedTransformer with = model.with(spliced)) {
            options.intervene(with);
            Tokens tokens = prompt.tokens(model);
            Path file = out;
            if (file != null) {
                write(with, spliced, tokens, file);
            }
            if (file == null || report.isAskedFor()) {
                Metric metric = answers.difference(model).orElse(null);
                List<TokenFeatures> places = chosen(FeatureReading.read(with, spliced, tokens, top, metric), tokens);
                FeatureReport found = new FeatureReport(
                        options.model, with, name, spliced, tokens, places, ofText(model, spliced, places));
                report.tell(
                        found::json,
                        found::print,
                        () -> found.page(prompt.title())
                                .from(options.provenance(model)
                                        .fact("dictionary", name)
                                        .prompt(PromptOptions.text(model, tokens))));
            } else {
                spec.commandLine().getOut().println("Wrote features, output and logits of " + name + " to " + file);
                spec.commandLine().getOut().flush();
            }
        }
        return 0;
    }

    private void checkText() {
        Path file = text;
        if (file != null && !Files.isReadable(file)) {
            throw new UsageException("--text: there is no file '" + file + "' that can be read");
        }
    }

    private Optional<FeatureReport.OfText> ofText(
            HookedTransformer model, SplicedDictionary spliced, List<TokenFeatures> places) {
        Path file = text;
        if (file == null) {
            return Optional.empty();
        }
        Set<Integer> numbers = Set.copyOf(FeatureReport.numbers(places));
        return Optional.of(new FeatureReport.OfText(
                through(
                        file,
                        lines -> TopActivations.of(
                                model, spliced.dictionary(), batches(model, lines), EXAMPLES, AROUND, numbers)),
                through(file, lines -> DictionaryQuality.of(model, spliced, batches(model, lines)))));
    }

    private static TextBatches batches(HookedTransformer model, Iterable<String> lines) {
        return TextBatches.of(model, lines, CONTEXT, BATCH);
    }

    /** Goes through a file line by line, which is never in memory as a whole. */
    private static <T> T through(Path file, Function<Iterable<String>, T> reader) {
        try (Stream<String> lines = Files.lines(file)) {
            Iterator<String> once = lines.iterator();
            return reader.apply(() -> once);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file, e);
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof CharacterCodingException) {
                throw new IllegalArgumentException(file + " isn't UTF-8 text", e);
            }
            throw e;
        }
    }

    private void write(HookedTransformer with, SplicedDictionary spliced, Tokens tokens, Path file) {
        RunRequest request = RunRequest.of(tokens)
                .observe(HookFilter.names(spliced.features(), spliced.point("hook_sae_recons")))
                .build();
        try (RunResult run = with.run(request)) {
            SafetensorsWriter writer = new SafetensorsWriter();
            writer.metadata("loupe.model", options.model);
            writer.metadata("loupe.dictionary", name);
            writer.add("tokens", Output.ids(tokens));
            writer.add("features", run.cache().get(spliced.features()).toHost());
            writer.add(
                    "output", run.cache().get(spliced.point("hook_sae_recons")).toHost());
            writer.add("logits", run.logits().toHost());
            writer.write(file);
        }
    }

    private List<TokenFeatures> chosen(List<TokenFeatures> readings, Tokens tokens) {
        Integer only = token;
        if (only == null) {
            return readings;
        }
        int position = only < 0 ? only + tokens.positions() : only;
        List<TokenFeatures> chosen =
                readings.stream().filter(one -> one.position() == position).toList();
        if (chosen.isEmpty()) {
            throw new UsageException(
                    "There is no token at position " + only + "; the prompt has " + tokens.positions() + " positions");
        }
        return chosen;
    }
}
