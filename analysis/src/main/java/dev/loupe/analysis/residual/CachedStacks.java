package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Stacks of what a cache holds as it is, and what every stack is put together with. */
final class CachedStacks {

    private final ActivationCache cache;
    private final HookedTransformer model;

    CachedStacks(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
    }

    /** Names of cached activations, and what each is called in the stack. */
    final class Chosen {
        private final List<String> names = new ArrayList<>();
        private final List<String> labels = new ArrayList<>();

        Chosen embeddings() {
            add(model.hookNames().resolve("embed").name(), "embed");
            if (model.hookNames().has("hook_pos_embed")) {
                add("hook_pos_embed", "pos_embed");
            }
            return this;
        }

        /** What a layer wrote: {@code 3_mlp_out}. */
        Chosen written(String shortName, int layer) {
            return add(model.hookNames().resolve(shortName, layer).name(), layer + "_" + shortName);
        }

        /** The residual stream in a layer. */
        Chosen stream(String shortName, int layer, String label) {
            return add(model.hookNames().resolve(shortName, layer).name(), label);
        }

        private Chosen add(String name, String label) {
            names.add(name);
            labels.add(label);
            return this;
        }

        /**
         * The activations.
         *
         * @param what the analysis, for messages
         */
        ResidualStack read(String what, Index positions) {
            RequiredActivations.check(cache, what, names);
            if (names.isEmpty()) {
                throw new IllegalArgumentException(what + " has nothing to stack: no layer, and no embeddings");
            }
            List<Tensor> parts = names.stream()
                    .map(name -> cache.atPositions(cache.get(name), -2, positions))
                    .toList();
            return new ResidualStack(Tensor.stack(0, parts), labels, positions);
        }
    }

    Chosen choose() {
        return new Chosen();
    }

    /** A tensor with one of its axes first: the components. */
    static Tensor componentsFirst(Tensor tensor, int axis) {
        int[] order = new int[tensor.rank()];
        order[0] = axis;
        for (int i = 1; i < order.length; i++) {
            order[i] = i <= axis ? i - 1 : i;
        }
        return tensor.permute(order);
    }

    /** Components of all layers [component, …]. */
    Tensor joined(List<Tensor> parts, Index positions) {
        if (!parts.isEmpty()) {
            return Tensor.concat(0, parts);
        }
        // No layers, no components: the shape is that of the residual stream.
        String entry = model.hookNames().resolve("resid_pre", 0).name();
        RequiredActivations.check(cache, "A stack without components", List.of(entry));
        Tensor like = cache.atPositions(cache.get(entry), -2, positions);
        long[] sizes = new long[like.rank() + 1];
        System.arraycopy(like.shape().toArray(), 0, sizes, 1, like.rank());
        return like.factory().zeros(like.dtype(), sizes);
    }
}
