package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the neurons of a cached run wrote to the residual stream. */
final class NeuronStacks {

    private final ActivationCache cache;
    private final HookedTransformer model;
    private final NormsBehind norms;
    private final CachedStacks stacks;

    NeuronStacks(ActivationCache cache, NormsBehind norms, CachedStacks stacks) {
        this.cache = cache;
        this.model = cache.model();
        this.norms = norms;
        this.stacks = stacks;
    }

    /**
     * What each neuron of the layers before {@code layer} wrote: {@code L0N0}, {@code L0N1}, …
     *
     * @param options neurons and positions
     * @param onto directions [d_model, …] to project onto before the neurons stand side by side; null for none
     */
    ResidualStack upTo(int layer, StackOptions options, @Nullable Tensor onto) {
        RequiredActivations.check(cache, "stackNeuronResults", needed(layer));
        Tensor all = model.tensors().arange(model.config().dMlp());
        long[] neurons = all.get(asRange(options.neurons())).toLongArray();
        List<Tensor> parts = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        Tensor weights = layer == 0 ? null : model.W_out();
        for (int l = 0; l < layer && weights != null; l++) {
            Tensor activations = cache.atPositions(cache.get("post", l), -2, options.positions())
                    .pick(-1, neurons);
            Tensor written = written(activations, weights.select(0, l).pick(0, neurons), l, options.positions(), onto);
            parts.add(CachedStacks.componentsFirst(written, activations.rank() - 1));
            for (long neuron : neurons) {
                labels.add("L" + l + "N" + neuron);
            }
        }
        ResidualStack stack = new ResidualStack(stacks.joined(parts, options.positions()), labels, options.positions());
        // A stack without components has the width of the residual stream, of which it is made.
        return stack.size() == 0 ? StackEnd.projected(stack, onto) : stack;
    }

    /**
     * What neurons wrote [batch, pos, neuron, d_model or directions].
     *
     * @param rows of W_out [neuron, d_model]
     */
    private Tensor written(Tensor activations, Tensor rows, int layer, Index positions, @Nullable Tensor onto) {
        Tensor each = activations.unsqueeze(-1);
        if (onto == null) {
            return norms.share(each.mul(rows), layer, NormsBehind.MLP, positions);
        }
        Tensor projected = norms.unscaledShare(rows, layer, NormsBehind.MLP).matmul(onto);
        return norms.scaled(each.mul(projected), layer, NormsBehind.MLP, positions);
    }

    private List<String> needed(int layers) {
        List<String> names = new ArrayList<>(RequiredActivations.ofLayers(cache, "post", layers));
        for (int l = 0; l < layers; l++) {
            if (norms.in(l)) {
                names.add(norms.scaleName(l, NormsBehind.MLP));
            }
        }
        return names;
    }

    private static Index asRange(Index index) {
        return index instanceof Index.One one ? Index.pick(one.position()) : index;
    }
}
