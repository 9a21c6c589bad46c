package dev.loupe.cli;

import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.FeatureReading.Feature;
import dev.loupe.dictionaries.FeatureReading.TokenFeatures;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.io.PrintWriter;
import java.nio.file.Path;
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
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe features}: what a dictionary sees in a prompt. */
@Command(
        name = "features",
        mixinStandardHelpOptions = true,
        description = "Show which features of a dictionary are active at each token of a prompt, and, with --answer and"
                + " --wrong, how much each moves the difference of these tokens' logits (activation times gradient).")
final class FeaturesCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

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
            description = "Take a model that is loaded otherwise than the one that the dictionary was trained on.")
    private boolean anyOptions;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            converter = OutputPath.class,
            description =
                    "Write features [batch, pos, size], output and logits (of the run with the dictionary in place)"
                            + " to FILE.safetensors.")
    private @Nullable Path out;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (top < 1) {
            throw new ParameterException(spec.commandLine(), "--top must be 1 or more, got " + top);
        }
        answers.isGiven();
        prompt.read();
        Dictionary dictionary = Dictionaries.load(name, at);
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
            Metric metric = answers.difference(model).orElse(null);
            if (file == null || json) {
                List<TokenFeatures> readings = FeatureReading.read(with, spliced, tokens, top, metric);
                show(model, dictionary, tokens, chosen(readings, tokens));
            }
        }
        return 0;
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
        if (!json) {
            spec.commandLine().getOut().println("Wrote features, output and logits of " + name + " to " + file);
            spec.commandLine().getOut().flush();
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
            throw new IllegalArgumentException(
                    "There is no token at position " + only + "; the prompt has " + tokens.positions() + " positions");
        }
        return chosen;
    }

    private void show(HookedTransformer model, Dictionary dictionary, Tokens tokens, List<TokenFeatures> readings) {
        PrintWriter print = spec.commandLine().getOut();
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("backend", model.backend().id());
            object.put("dictionary", name);
            object.put("reads", dictionary.config().hookIn());
            object.put("replaces", dictionary.config().hookOut());
            object.put("tokens", Output.rows(tokens));
            List<Object> places = new ArrayList<>();
            for (TokenFeatures place : readings) {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("row", place.row());
                one.put("position", place.position());
                one.put("token", tokens.id(place.row(), place.position()));
                one.put("features", place.features());
                places.add(one);
            }
            object.put("places", places);
            Output.json(print, object);
            return;
        }
        print.println(dictionary + ", in " + options.model);
        for (TokenFeatures place : readings) {
            print.println(Output.format(
                    "sequence %s, position %2s  %s",
                    place.row(), place.position(), Output.token(model, tokens.id(place.row(), place.position()))));
            for (Feature feature : place.features()) {
                StringBuilder line = new StringBuilder(
                        Output.format("  feature %6d  %9.4f", feature.feature(), feature.activation()));
                Double effect = feature.attribution();
                if (effect != null) {
                    line.append(Output.format("  attribution %+9.4f", effect));
                }
                StringBuilder promotes = new StringBuilder();
                for (long id : feature.promotes()) {
                    promotes.append(' ').append(Output.token(model, id));
                }
                print.println(line + "  speaks for" + promotes);
            }
        }
        print.flush();
    }
}
