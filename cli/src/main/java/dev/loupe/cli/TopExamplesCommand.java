package dev.loupe.cli;

import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestListener;
import dev.loupe.harvest.HarvestParts;
import dev.loupe.harvest.HarvestPlan;
import dev.loupe.harvest.HarvestedActivations;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.reduce.Examples;
import dev.loupe.harvest.reduce.TopExamples;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe top-examples}: where neurons or features are most active in a data set. */
@Command(
        name = "top-examples",
        mixinStandardHelpOptions = true,
        description = "Show the places in a data set at which neurons or features are most active.")
final class TopExamplesCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final CorpusOptions corpus = new CorpusOptions();

    @Option(
            names = "--dictionary",
            paramLabel = "NAME",
            description = "A sparse autoencoder or transcoder whose features are looked at; see 'loupe features'.")
    private @Nullable String dictionary;

    @Option(
            names = "--at",
            paramLabel = "POINT",
            description = "A hook point whose units are looked at, such as 'post2'; with --dictionary its features,"
                    + " unless given.")
    private @Nullable String at;

    @Option(
            names = {"--unit", "--feature"},
            required = true,
            split = ",",
            paramLabel = "N",
            description = "Numbers of units (of the last axis; head after head where there are heads).")
    @SuppressWarnings("NullAway.Init")
    private List<Integer> units;

    @Option(names = "--top", defaultValue = "5", description = "How many places of each. Default: ${DEFAULT-VALUE}.")
    private int top = 5;

    @Option(names = "--max-tokens", paramLabel = "N", description = "Stop after so many tokens.")
    private @Nullable Long maxTokens;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            converter = OutputFolder.class,
            description = "Keep what was found of every unit in DIR, and go on there with --resume.")
    private @Nullable Path out;

    @Option(names = "--resume", description = "Go on with what is in --out DIR.")
    private boolean resume;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (at == null && dictionary == null) {
            throw new ParameterException(spec.commandLine(), "Say whose examples: --at POINT, or --dictionary NAME");
        }
        if (resume && out == null) {
            throw new ParameterException(spec.commandLine(), "--resume goes with --out DIR");
        }
        if (dictionary != null) {
            options.followOptionsOf(Dictionaries.load(dictionary, null, new TerminalProgress("Loading"))
                    .config()
                    .modelOptions());
        }
        List<String> dictionaries = dictionary == null ? List.of() : List.of(dictionary);
        String point = at == null ? "*hook_sae_acts_post" : at;
        HarvestJob job = options.job(List.of(point))
                .withDictionaries(dictionaries)
                .withPacking(corpus.packing())
                .withReducers(List.of("top:" + top));
        Path folder = out;
        Path temporary = folder == null ? temporary() : null;
        try (HookedTransformer model = job.openModel()) {
            Path where = folder == null ? Objects.requireNonNull(temporary).resolve("harvest") : folder;
            Harvest.Builder harvest = Harvest.of(job, corpus.source())
                    .model(model)
                    .sink(null)
                    .into(where)
                    .resume(resume);
            if (maxTokens != null) {
                harvest.maxTokens(maxTokens);
            }
            // Asked before anything is computed.
            harvest.listener(new HarvestListener() {
                @Override
                public void begun(HarvestPlan plan) {
                    check(point, plan.layout());
                }
            });
            Layout layout = harvest.run().layout();
            TopExamples found = new TopExamples(layout, top);
            found.merge(HarvestedActivations.results(where, found.id()));
            show(
                    model,
                    layout.points().get(0),
                    found.examples(layout.points().get(0).name()));
            return 0;
        } finally {
            if (temporary != null) {
                HarvestParts.delete(temporary);
            }
        }
    }

    private void check(String asked, Layout layout) {
        if (layout.points().size() != 1) {
            throw new IllegalArgumentException(
                    "'" + asked + "' stands for " + layout.points().size()
                            + " points; name one of "
                            + layout.points().stream().map(Layout.Point::name).toList());
        }
        Layout.Point point = layout.points().get(0);
        for (int unit : units) {
            if (unit < 0 || unit >= point.width()) {
                throw new ParameterException(
                        spec.commandLine(),
                        point.name() + " has the units 0 to " + (point.width() - 1) + ", asked for " + unit);
            }
        }
    }

    private static Path temporary() {
        try {
            return Files.createTempDirectory("loupe-top-examples");
        } catch (IOException e) {
            throw new UncheckedIOException("Can't make a temporary folder: " + e.getMessage(), e);
        }
    }

    private void show(HookedTransformer model, Layout.Point point, Examples examples) {
        PrintWriter print = spec.commandLine().getOut();
        List<Object> all = new ArrayList<>();
        for (int unit : units) {
            List<Object> places = new ArrayList<>();
            if (!json) {
                print.println(point.name() + ", unit " + unit + (examples.count(unit) == 0 ? ": nowhere over 0" : ""));
            }
            for (int n = 0; n < examples.count(unit); n++) {
                int[] context = examples.context(unit, n);
                if (json) {
                    Map<String, Object> place = new LinkedHashMap<>();
                    place.put("value", examples.value(unit, n));
                    place.put("document", examples.document(unit, n));
                    place.put("position", examples.position(unit, n));
                    place.put("token", context[Examples.BEFORE]);
                    place.put("before", ids(context, 0, Examples.BEFORE));
                    place.put("after", ids(context, Examples.BEFORE + 1, context.length));
                    places.add(place);
                } else {
                    print.println(Output.format(
                            "  %9.4f  document %s, position %s: %s",
                            examples.value(unit, n),
                            examples.document(unit, n),
                            examples.position(unit, n),
                            text(model, context)));
                }
            }
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("unit", unit);
            one.put("places", places);
            all.add(one);
        }
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model", options.model);
            object.put("point", point.name());
            object.put("units", all);
            Output.json(print, object);
        }
        print.flush();
    }

    private static List<Integer> ids(int[] context, int from, int to) {
        return IntStream.range(from, to)
                .map(i -> context[i])
                .filter(id -> id >= 0)
                .boxed()
                .toList();
    }

    /** The tokens around a place, the place itself in double brackets. */
    private static String text(HookedTransformer model, int[] context) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < context.length; i++) {
            if (context[i] >= 0) {
                String quoted = Output.token(model, context[i]);
                String bare = quoted.startsWith("\"") ? quoted.substring(1, quoted.length() - 1) : quoted;
                text.append(i == Examples.BEFORE ? "«" + bare + "»" : bare);
            }
        }
        return text.toString();
    }
}
