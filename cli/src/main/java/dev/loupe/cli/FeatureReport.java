package dev.loupe.cli;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.ColoredTokens;
import dev.loupe.analysis.views.DataTable;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.View;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.FeatureReading.Feature;
import dev.loupe.dictionaries.FeatureReading.TokenFeatures;
import dev.loupe.dictionaries.SparseFeatures;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.dictionaries.reading.DictionaryQuality;
import dev.loupe.dictionaries.reading.TopActivations;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What {@code loupe features} found, as text, JSON and a page.
 *
 * @param model as it was named
 * @param with the model with the dictionary in it
 * @param name of the dictionary
 * @param places the features of each token that is shown
 * @param text what was found in a text, if there was one
 */
record FeatureReport(
        String model,
        HookedTransformer with,
        String name,
        SplicedDictionary dictionary,
        Tokens tokens,
        List<TokenFeatures> places,
        Optional<OfText> text) {

    private static final int MOST_SERIES = 40;
    private static final int EXAMPLES = 5;

    /** What was found in a text. */
    record OfText(TopActivations activations, DictionaryQuality quality) {}

    /**
     * A feature that is shown.
     *
     * @param feature as it is where it is most active
     * @param place there
     * @param count tokens at which it is shown
     * @param attribution over all of them; 0 if none was asked for
     */
    private record Shown(Feature feature, TokenFeatures place, int count, double attribution) {}

    private boolean hasAttributions() {
        return places.stream().flatMap(place -> place.features().stream()).anyMatch(one -> one.attribution() != null);
    }

    /** The features that are shown, the one with most attribution first, or the most active one. */
    private List<Shown> shown() {
        Map<Integer, Shown> features = new HashMap<>();
        for (TokenFeatures place : places) {
            for (Feature one : place.features()) {
                Double attribution = one.attribution();
                Shown here = new Shown(one, place, 1, attribution == null ? 0 : attribution);
                features.merge(one.feature(), here, FeatureReport::joined);
            }
        }
        Comparator<Shown> order = hasAttributions()
                ? Comparator.comparingDouble(one -> -Math.abs(one.attribution()))
                : Comparator.comparingDouble(one -> -one.feature().activation());
        return features.values().stream()
                .sorted(order.thenComparingInt(one -> one.feature().feature()))
                .toList();
    }

    private static Shown joined(Shown a, Shown b) {
        Shown larger = a.feature().activation() >= b.feature().activation() ? a : b;
        return new Shown(larger.feature(), larger.place(), a.count() + b.count(), a.attribution() + b.attribution());
    }

    /** Numbers of the features that are shown. */
    static List<Integer> numbers(List<TokenFeatures> places) {
        return places.stream()
                .flatMap(place -> place.features().stream())
                .map(Feature::feature)
                .distinct()
                .toList();
    }

    // JSON.

    Map<String, Object> json() {
        Map<String, Object> object = Output.object(
                "model",
                model,
                "backend",
                with.backend().id(),
                "dictionary",
                name,
                "reads",
                dictionary.dictionary().config().hookIn(),
                "replaces",
                dictionary.dictionary().config().hookOut(),
                "tokens",
                Output.rows(tokens));
        List<Object> list = new ArrayList<>();
        for (TokenFeatures place : places) {
            list.add(Output.object(
                    "row",
                    place.row(),
                    "position",
                    place.position(),
                    "token",
                    tokens.id(place.row(), place.position()),
                    "features",
                    place.features()));
        }
        object.put("places", list);
        object.put("final_norm", FeatureReading.appliesFinalNorm(with) ? "applied" : "folded");
        text.ifPresent(found -> {
            DictionaryQuality quality = found.quality();
            Map<String, Object> numbers = new LinkedHashMap<>();
            numbers.put("tokens", quality.tokens());
            numbers.put("l0", quality.l0());
            numbers.put("variance_explained", quality.varianceExplained());
            numbers.put("mse", quality.meanSquaredError());
            numbers.put("never_active", quality.neverActive());
            numbers.put("loss", quality.loss());
            numbers.put("spliced_loss", quality.splicedLoss());
            numbers.put("ablated_loss", quality.ablatedLoss());
            numbers.put("loss_recovered", quality.lossRecovered());
            object.put("quality", numbers);
            object.put(
                    "top_activations",
                    numbers(places).stream()
                            .map(feature -> found.activations().feature(feature))
                            .toList());
        });
        return object;
    }

    // Text.

    void print(Painter paint) {
        paint.line(dictionary.dictionary() + ", in " + model);
        for (TokenFeatures place : places) {
            paint.line(Output.format(
                    "sequence %s, position %2s  %s",
                    place.row(), place.position(), Output.token(with, tokens.id(place.row(), place.position()))));
            for (Feature feature : place.features()) {
                StringBuilder line = new StringBuilder(
                        Output.format("  feature %6d  %9.4f", feature.feature(), feature.activation()));
                Double effect = feature.attribution();
                if (effect != null) {
                    line.append(Output.format("  attribution %+9.4f", effect));
                }
                StringBuilder promotes = new StringBuilder();
                for (long id : feature.promotes()) {
                    promotes.append(' ').append(Output.token(with, id));
                }
                paint.line(line + "  speaks for" + promotes);
            }
        }
        text.ifPresent(found -> print(paint, found));
    }

    private void print(Painter paint, OfText found) {
        DictionaryQuality quality = found.quality();
        paint.heading("on the text");
        paint.line(Output.format(
                "%d tokens: %.1f features a token, %.1f%% of variance explained, %d features never active",
                quality.tokens(), quality.l0(), 100 * quality.varianceExplained(), quality.neverActive()));
        paint.line(Output.format(
                "loss %.4f, with the dictionary %.4f, with zeros %.4f: %.1f%% recovered",
                quality.loss(), quality.splicedLoss(), quality.ablatedLoss(), 100 * quality.lossRecovered()));
        paint.heading("where these features are most active in it");
        for (Shown one : shown()) {
            TopActivations.Summary summary =
                    found.activations().feature(one.feature().feature());
            paint.line(Output.format("  feature %6d, at %.2f%% of tokens", summary.feature(), 100 * summary.density()));
            summary.examples().stream()
                    .limit(EXAMPLES)
                    .forEach(example ->
                            paint.line(Output.format("    %9.4f  %s", example.activation(), context(example))));
        }
    }

    /** An example's tokens, the one in question between marks. */
    private String context(TopActivations.Example example) {
        List<String> words = TokenTexts.of(
                with, example.window().stream().mapToLong(Long::longValue).toArray());
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < words.size(); i++) {
            line.append(i == example.at() ? "«" + words.get(i) + "»" : words.get(i));
        }
        return Output.quote(line.toString());
    }

    // The page.

    HtmlPage page(String title) {
        List<Shown> shown = shown();
        List<View> views = new ArrayList<>();
        if (!shown.isEmpty()) {
            views.addAll(colored(shown));
        }
        views.add(table(shown));
        text.ifPresent(found -> views.add(quality(found.quality())));
        return HtmlPage.of("Features of " + name + " in “" + title + "”", views);
    }

    private List<View> colored(List<Shown> shown) {
        List<View> views = new ArrayList<>();
        RunRequest request = RunRequest.of(tokens)
                .observe(HookFilter.names(dictionary.features()))
                .returns(Returns.NONE)
                .build();
        try (RunResult run = with.run(request)) {
            SparseFeatures active = SparseFeatures.of(run.cache().get(dictionary.features()));
            for (int row = 0; row < tokens.batch(); row++) {
                String title = tokens.batch() == 1 ? "Tokens by a feature" : "Sequence " + row + " by a feature";
                ColoredTokens.Builder view = ColoredTokens.builder(title, TokenTexts.of(with, tokens.row(row)))
                        .note("How active the chosen feature is at each token.");
                double largest = 0;
                for (Shown one : shown.subList(0, Math.min(MOST_SERIES, shown.size()))) {
                    double[] values = new double[tokens.positions()];
                    for (int position = 0; position < values.length; position++) {
                        values[position] = tokens.isReal(row, position)
                                ? active.activation(row, position, one.feature().feature())
                                : Double.NaN;
                        largest = Math.max(largest, values[position]);
                    }
                    view.values("feature " + one.feature().feature() + " (" + promotes(one) + ")", values);
                }
                views.add(view.scale(ColorScale.sequential(0, largest > 0 ? largest : 1))
                        .build());
            }
        }
        return views;
    }

    private String promotes(Shown one) {
        return TokenTexts.listed(with, one.feature().promotes());
    }

    private DataTable table(List<Shown> shown) {
        boolean attributed = hasAttributions();
        List<String> columns = new ArrayList<>(List.of("feature", "largest", "at", "shown at", "speaks for"));
        if (attributed) {
            columns.add("attribution");
        }
        if (text.isPresent()) {
            columns.add("of the text's tokens");
            columns.add("most active in the text");
        }
        List<List<String>> rows = new ArrayList<>();
        for (Shown one : shown) {
            TokenFeatures place = one.place();
            List<String> row = new ArrayList<>(List.of(
                    Integer.toString(one.feature().feature()),
                    Output.format("%.4f", one.feature().activation()),
                    Output.token(with, tokens.id(place.row(), place.position())) + " (" + place.position() + ")",
                    one.count() + (one.count() == 1 ? " token" : " tokens"),
                    promotes(one)));
            if (attributed) {
                row.add(Output.format("%+.4f", one.attribution()));
            }
            text.ifPresent(found -> {
                TopActivations.Summary summary =
                        found.activations().feature(one.feature().feature());
                row.add(Output.format("%.2f%%", 100 * summary.density()));
                row.add(String.join(
                        "   ",
                        summary.examples().stream()
                                .limit(EXAMPLES)
                                .map(this::context)
                                .toList()));
            });
            rows.add(row);
        }
        return DataTable.of(
                "Features",
                "What a feature speaks for are the tokens whose logits its decoder row raises most, straight through"
                        + " the unembedding"
                        + (attributed ? "; its attribution is activation times gradient, over the tokens shown." : "."),
                columns,
                rows);
    }

    private static DataTable quality(DictionaryQuality quality) {
        return DataTable.of(
                "The dictionary on the text",
                "",
                List.of("tokens", "L0", "variance explained", "loss", "with the dictionary", "with zeros", "recovered"),
                List.of(List.of(
                        Long.toString(quality.tokens()),
                        Output.format("%.2f", quality.l0()),
                        Output.format("%.4f", quality.varianceExplained()),
                        Output.format("%.4f", quality.loss()),
                        Output.format("%.4f", quality.splicedLoss()),
                        Output.format("%.4f", quality.ablatedLoss()),
                        Output.format("%.4f", quality.lossRecovered()))));
    }
}
