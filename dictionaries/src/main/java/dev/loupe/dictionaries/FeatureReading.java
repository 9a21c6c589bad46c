package dev.loupe.dictionaries;

import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What a dictionary sees in a prompt: the most active features of each token, and what they say. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class FeatureReading {

    private static final int PROMOTED = 4;
    private static final String FINAL_NORM = "ln_final.w";

    private FeatureReading() {}

    /**
     * An active feature.
     *
     * @param feature its number
     * @param activation how active it is
     * @param attribution activation · derivative of a metric, to first order what the metric owes to it; null if none was
     *     asked for
     * @param promotes ids of the tokens whose logits its decoder row raises most, straight through the unembedding; none
     *     if the dictionary doesn't write to the residual stream, or if they weren't asked for
     */
    public record Feature(
            int feature, double activation, @Nullable Double attribution, List<Long> promotes) {}

    /**
     * The most active features at a token; features that aren't active are left out.
     *
     * @param row of the batch
     * @param position of the token
     */
    public record TokenFeatures(int row, int position, List<Feature> features) {}

    /**
     * Reads a prompt, and says what each feature speaks for.
     *
     * @param with the model that the dictionary is spliced into
     * @param spliced the dictionary
     * @param top how many features a token at most
     * @param metric what attributions are taken to; null for none. Features are then ordered by the size of theirs
     */
    public static List<TokenFeatures> read(
            HookedTransformer with, SplicedDictionary spliced, Tokens tokens, int top, @Nullable Metric metric) {
        Map<Integer, List<Long>> promoted = new HashMap<>();
        return top(with, spliced, tokens, top, metric).stream()
                .map(place -> new TokenFeatures(
                        place.row(),
                        place.position(),
                        place.features().stream()
                                .map(one -> new Feature(
                                        one.feature(),
                                        one.activation(),
                                        one.attribution(),
                                        promoted.computeIfAbsent(
                                                one.feature(), feature -> promotes(with, spliced, feature))))
                                .toList()))
                .toList();
    }

    /**
     * The most active features of each token, without what they speak for: that takes a product with the unembedding for
     * each feature, and this little more than the run.
     *
     * @param metric what attributions are taken to; null for none. Features are then ordered by the size of theirs
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public static List<TokenFeatures> top(
            HookedTransformer with, SplicedDictionary spliced, Tokens tokens, int top, @Nullable Metric metric) {
        HookFilter point = HookFilter.names(spliced.features());
        RunRequest.Builder request = RunRequest.of(tokens).observe(point).returns(RunRequest.Returns.NONE);
        if (metric != null) {
            request.gradients(metric, point);
        }
        int count = Math.min(top, spliced.dictionary().config().dSae());
        try (TensorScope scope = TensorScope.open();
                RunResult run = with.run(request.build())) {
            Tensor acts = run.cache().get(spliced.features());
            Tensor attributions =
                    metric == null ? null : acts.mul(run.gradients().get(spliced.features()));
            Tensor order = attributions == null ? acts : attributions.abs();
            Tensor.TopK best = order.topk(count, -1);
            long[] ids = best.indices().toLongArray();
            double[] strengths = acts.gatherElements(2, best.indices()).toDoubleArray();
            double[] effects = attributions == null
                    ? null
                    : attributions.gatherElements(2, best.indices()).toDoubleArray();
            List<TokenFeatures> places = new ArrayList<>();
            for (int row = 0; row < tokens.batch(); row++) {
                for (int position = 0; position < tokens.positions(); position++) {
                    if (tokens.isReal(row, position)) {
                        int first = (row * tokens.positions() + position) * count;
                        places.add(new TokenFeatures(
                                row, position, features(ids, strengths, effects, first, first + count)));
                    }
                }
            }
            return places;
        }
    }

    private static List<Feature> features(
            long[] ids, double[] strengths, double @Nullable [] effects, int from, int to) {
        List<Feature> features = new ArrayList<>();
        for (int i = from; i < to; i++) {
            if (strengths[i] > 0) {
                Double effect = effects == null ? null : effects[i];
                features.add(new Feature(Math.toIntExact(ids[i]), strengths[i], effect, List.of()));
            }
        }
        return features;
    }

    /**
     * The tokens that a feature speaks for: those whose logits its decoder row raises most, straight through the
     * unembedding (decoder · W_U).
     */
    public static List<Long> promotes(HookedTransformer model, SplicedDictionary spliced, int feature) {
        Dictionary dictionary = spliced.dictionary();
        if (dictionary.config().dOut() != model.config().dModel()) {
            return List.of();
        }
        Tensor row = logitEffect(model, spliced, feature);
        long[] ids = row.topk(Math.min(PROMOTED, model.config().dVocab()), 0)
                .indices()
                .toLongArray();
        List<Long> promoted = new ArrayList<>();
        for (long id : ids) {
            promoted.add(id);
        }
        return promoted;
    }

    /**
     * What one unit of a feature adds to each logit, straight through the unembedding: decoder · W_U, [d_vocab]. The final
     * norm's weight is applied, as it is where the model was loaded with it folded into W_U; its scale, which depends on the
     * run, is left out, and so are all blocks in between.
     *
     * @throws IllegalArgumentException if the dictionary doesn't write to the residual stream, or has no such feature
     */
    public static Tensor logitEffect(HookedTransformer model, SplicedDictionary spliced, int feature) {
        Dictionary dictionary = spliced.dictionary();
        DictionaryConfig config = dictionary.config();
        if (config.dOut() != model.config().dModel()) {
            throw new IllegalArgumentException(dictionary + " writes vectors of width " + config.dOut()
                    + ", the residual stream has " + model.config().dModel()
                    + ": its features have no effect on logits of"
                    + " their own");
        }
        if (feature < 0 || feature >= config.dSae()) {
            throw new IllegalArgumentException(
                    "There is no feature " + feature + "; " + dictionary + " has " + config.dSae() + ", from 0 on");
        }
        String name = spliced.weightName("W_dec");
        Tensor row = model.weightNames().contains(name)
                ? model.weight(name).pick(0, feature)
                : model.tensors().of(dictionary.row("W_dec", feature).to(model.dtype()));
        return (appliesFinalNorm(model) ? row.mul(model.weight(FINAL_NORM)) : row)
                .matmul(model.W_U())
                .squeeze(0);
    }

    /** Whether {@link #logitEffect} applies the final norm's weight itself: it isn't folded into W_U. */
    public static boolean appliesFinalNorm(HookedTransformer model) {
        return model.weightNames().contains(FINAL_NORM);
    }
}
