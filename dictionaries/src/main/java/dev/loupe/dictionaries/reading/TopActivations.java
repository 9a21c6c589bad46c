package dev.loupe.dictionaries.reading;

import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.DictionaryTensors;
import dev.loupe.dictionaries.SparseFeatures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Where features are most active in a text: for each feature its best examples, how often it is active, and how much. The
 * text streams by: only examples are kept. BOS at the beginning of a sequence doesn't count.
 *
 * <pre>{@code
 * TopActivations found = TopActivations.of(model, dictionary, TextBatches.of(model, lines, 128, 8), 10, 5);
 * found.feature(415).examples();
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class TopActivations {

    /**
     * A token at which a feature is active, with those around it.
     *
     * @param sequence the number of the sequence, from the beginning of the text
     * @param position in the sequence
     * @param activation at the token
     * @param window ids of the tokens from some before it to some after it
     * @param activations of the feature at each token of the window
     * @param at the token's place in the window
     */
    public record Example(
            long sequence, int position, double activation, List<Long> window, List<Double> activations, int at) {
        /** Copies the lists. */
        public Example {
            window = List.copyOf(window);
            activations = List.copyOf(activations);
        }
    }

    /**
     * What was seen of a feature.
     *
     * @param feature its number
     * @param tokens at how many tokens it was active
     * @param density the share of tokens at which it was active
     * @param largest its largest activation
     * @param mean its mean activation where it was active; 0 if it never was
     * @param examples its largest activations, the largest first; the first in the text of equals
     */
    public record Summary(
            int feature, long tokens, double density, double largest, double mean, List<Example> examples) {}

    /** What is known of a feature while the text goes by. */
    private static final class Seen {
        private final PriorityQueue<Example> best =
                new PriorityQueue<>(Comparator.comparingDouble(Example::activation));
        private long tokens;
        private double sum;
    }

    private final @Nullable Seen[] features;
    private final long tokens;

    private TopActivations(@Nullable Seen[] features, long tokens) {
        this.features = features;
        this.tokens = tokens;
    }

    /**
     * Looks for every feature's largest activations.
     *
     * @param text batches of tokens, gone through once
     * @param top examples kept of each feature
     * @param around tokens kept before and after each example
     */
    public static TopActivations of(
            HookedTransformer model, Dictionary dictionary, Iterable<Tokens> text, int top, int around) {
        return of(model, dictionary, text, top, around, Set.of());
    }

    /**
     * Looks for the largest activations of some features.
     *
     * @param only numbers of the features; all if there are none
     * @throws IllegalArgumentException if the dictionary doesn't fit the model, or a number isn't one of its features
     */
    public static TopActivations of(
            HookedTransformer model,
            Dictionary dictionary,
            Iterable<Tokens> text,
            int top,
            int around,
            Set<Integer> only) {
        dictionary.spliced().forAnyOptions().check(model);
        if (top < 1 || around < 0) {
            throw new IllegalArgumentException(
                    "At least 1 example is kept, and 0 tokens around it, found " + top + " and " + around);
        }
        int size = dictionary.config().dSae();
        only.forEach(feature -> checkFeature(feature, size));
        String point = dictionary.config().hookIn();
        RealTokens real = new RealTokens(model);
        @Nullable Seen[] seen = new Seen[size];
        long count = 0;
        long sequence = 0;
        try (DictionaryTensors own = dictionary.on(model.backend(), model.dtype())) {
            for (Tokens tokens : text) {
                SparseFeatures found = encode(model, own, point, tokens);
                for (int row = 0; row < tokens.batch(); row++) {
                    for (int position = 0; position < tokens.positions(); position++) {
                        if (real.counts(tokens, row, position)) {
                            add(seen, found, tokens, row, position, sequence + row, top, around, only);
                            count++;
                        }
                    }
                }
                sequence += tokens.batch();
            }
        }
        return new TopActivations(seen, count);
    }

    private static SparseFeatures encode(HookedTransformer model, DictionaryTensors own, String point, Tokens tokens) {
        RunRequest request = RunRequest.of(tokens)
                .observe(HookFilter.names(point))
                .returns(Returns.NONE)
                .build();
        try (RunResult run = model.run(request)) {
            return own.encodeSparse(run.cache().get(point));
        }
    }

    private static void add(
            @Nullable Seen[] seen,
            SparseFeatures found,
            Tokens tokens,
            int row,
            int position,
            long sequence,
            int top,
            int around,
            Set<Integer> only) {
        int[] active = found.indices(row, position);
        double[] values = found.values(row, position);
        for (int i = 0; i < active.length; i++) {
            if (!only.isEmpty() && !only.contains(active[i])) {
                continue;
            }
            Seen feature = seen[active[i]];
            if (feature == null) {
                feature = new Seen();
                seen[active[i]] = feature;
            }
            feature.tokens++;
            feature.sum += values[i];
            Example least = feature.best.peek();
            if (least == null || feature.best.size() < top || values[i] > least.activation()) {
                feature.best.add(example(found, tokens, row, position, sequence, around, active[i], values[i]));
                if (feature.best.size() > top) {
                    feature.best.remove();
                }
            }
        }
    }

    private static Example example(
            SparseFeatures found,
            Tokens tokens,
            int row,
            int position,
            long sequence,
            int around,
            int feature,
            double activation) {
        List<Long> window = new ArrayList<>();
        List<Double> activations = new ArrayList<>();
        int at = 0;
        int end = Math.min(tokens.positions() - 1, position + around);
        for (int place = Math.max(0, position - around); place <= end; place++) {
            if (tokens.isReal(row, place)) {
                at = place == position ? window.size() : at;
                window.add(tokens.id(row, place));
                activations.add(found.activation(row, place, feature));
            }
        }
        return new Example(sequence, position, activation, window, activations, at);
    }

    private static void checkFeature(int feature, int size) {
        if (feature < 0 || feature >= size) {
            throw new IllegalArgumentException(
                    "There is no feature " + feature + "; the dictionary has " + size + ", from 0 on");
        }
    }

    /** How many tokens were looked at. */
    public long tokens() {
        return tokens;
    }

    /** What was seen of a feature. */
    public Summary feature(int feature) {
        checkFeature(feature, features.length);
        Seen seen = features[feature];
        if (seen == null) {
            return new Summary(feature, 0, 0, 0, 0, List.of());
        }
        List<Example> examples = seen.best.stream()
                .sorted(Comparator.comparingDouble((Example example) -> -example.activation())
                        .thenComparingLong(Example::sequence)
                        .thenComparingInt(Example::position))
                .toList();
        return new Summary(
                feature,
                seen.tokens,
                (double) seen.tokens / tokens,
                examples.get(0).activation(),
                seen.sum / seen.tokens,
                examples);
    }

    /** The features that were active at all, ascending. */
    public List<Integer> active() {
        List<Integer> active = new ArrayList<>();
        for (int feature = 0; feature < features.length; feature++) {
            if (features[feature] != null) {
                active.add(feature);
            }
        }
        return active;
    }
}
