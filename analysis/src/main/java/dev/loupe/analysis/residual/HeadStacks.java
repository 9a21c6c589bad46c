package dev.loupe.analysis.residual;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the heads of a cached run wrote to the residual stream. */
final class HeadStacks {

    private final ActivationCache cache;
    private final HookedTransformer model;
    private final TransformerConfig config;
    private final NormsBehind norms;
    private final CachedStacks stacks;
    private @Nullable Tensor outputWeights;

    HeadStacks(ActivationCache cache, NormsBehind norms, CachedStacks stacks) {
        this.cache = cache;
        this.model = cache.model();
        this.config = model.config();
        this.norms = norms;
        this.stacks = stacks;
    }

    /** What each head of the layers before {@code layer} wrote: {@code L0H0}, {@code L0H1}, … */
    ResidualStack upTo(int layer, Index positions) {
        RequiredActivations.check(cache, "stackHeadResults", needed(layer));
        List<Tensor> parts = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        for (int l = 0; l < layer; l++) {
            Tensor results = norms.share(results(l, positions), l, NormsBehind.ATTENTION, positions);
            int headAxis = results.rank() - 2;
            parts.add(CachedStacks.componentsFirst(results, headAxis));
            for (int head = 0; head < config.nHeads(); head++) {
                labels.add("L" + l + "H" + head);
            }
        }
        return new ResidualStack(stacks.joined(parts, positions), labels, positions);
    }

    private List<String> needed(int layers) {
        List<String> names = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            names.add(source(l));
            if (norms.in(l)) {
                names.add(norms.scaleName(l, NormsBehind.ATTENTION));
            }
        }
        return names;
    }

    /** The cached activation that heads' results are read off. */
    private String source(int layer) {
        String result = model.hookNames().resolve("result", layer).name();
        return cache.keys().contains(result)
                ? result
                : model.hookNames().resolve("z", layer).name();
    }

    /** What the heads of a layer computed [batch, pos, head, d_model], before a norm behind attention. */
    Tensor results(int layer) {
        int index = Math.floorMod(layer, Math.max(1, config.nLayers()));
        RequiredActivations.check(cache, "computeHeadResults", List.of(source(index)));
        return results(index, Index.all());
    }

    private Tensor results(int layer, Index positions) {
        String result = model.hookNames().resolve("result", layer).name();
        if (cache.keys().contains(result)) {
            return cache.atPositions(cache.get(result), -3, positions);
        }
        Tensor z = cache.atPositions(cache.get("z", layer), -3, positions);
        Tensor weights = outputWeights;
        if (weights == null) {
            weights = model.W_O();
            outputWeights = weights;
        }
        Tensor rows = z.reshape(-1, config.nHeads(), config.dHead());
        long[] shape = z.shape().toArray();
        shape[shape.length - 1] = config.dModel();
        return Tensor.einsum("nhd,hdm->nhm", rows, weights.select(0, layer)).reshape(shape);
    }
}
