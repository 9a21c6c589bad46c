package dev.loupe.analysis.steering;

import dev.loupe.array.Index;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A direction in the residual stream of a layer: the mean difference of activations between prompts that have something
 * and prompts that haven't ("Steering Llama 2 via Contrastive Activation Addition", Rimsky and others, 2023). Added to
 * the residual stream it pushes the model the first way.
 *
 * @param layer the layer that it was found at, counted from 0
 * @param direction [d_model]
 */
public record SteeringVector(int layer, Tensor direction) {

    /** Where in a prompt activations are taken. */
    public enum Take {
        /** The last real token. */
        LAST,
        /** The mean of all real tokens. */
        MEAN
    }

    /**
     * The vector between contrasting prompts.
     *
     * @param layer whose {@code hook_resid_post} is read; negative from the end
     * @throws IllegalArgumentException if one side has no prompts
     */
    public static SteeringVector fromContrast(
            HookedTransformer model, List<String> positive, List<String> negative, int layer, Take take) {
        if (positive.isEmpty() || negative.isEmpty()) {
            throw new IllegalArgumentException(
                    "A contrast needs prompts on both sides; got " + positive.size() + " and " + negative.size());
        }
        int index = layer(model, layer);
        Tensor difference = mean(model, positive, index, take).sub(mean(model, negative, index, take));
        return new SteeringVector(index, difference);
    }

    /** The vector between two prompts, at their last tokens. */
    public static SteeringVector fromContrast(HookedTransformer model, String positive, String negative, int layer) {
        return fromContrast(model, List.of(positive), List.of(negative), layer, Take.LAST);
    }

    private static int layer(HookedTransformer model, int layer) {
        int layers = model.config().nLayers();
        int index = layer < 0 ? layer + layers : layer;
        if (index < 0 || index >= layers) {
            throw new IllegalArgumentException("There is no layer " + layer + ": the model has " + layers + " layers");
        }
        return index;
    }

    private static Tensor mean(HookedTransformer model, List<String> prompts, int layer, Take take) {
        List<Tensor> taken = new ArrayList<>();
        for (String prompt : prompts) {
            Tokens tokens = model.toTokens(prompt);
            RunRequest request = RunRequest.of(tokens)
                    .observe(model.hookNames().resolve("resid_post", layer).name())
                    .returns(RunRequest.Returns.NONE)
                    .build();
            try (ActivationCache cache = model.run(request).cache()) {
                Tensor residual = cache.get("resid_post", layer).select(0, 0);
                taken.add(take == Take.LAST ? residual.select(0, -1) : residual.mean(0));
            }
        }
        return Tensor.stack(0, taken).mean(0);
    }

    /** The same direction of length 1. */
    public SteeringVector normalized() {
        return new SteeringVector(layer, direction.div(direction.norm()));
    }

    /** A hook that adds the vector, times a coefficient, at every position of its layer; in generation at every step. */
    public Hook hook(double coefficient) {
        return hook(coefficient, layer);
    }

    /** A hook that adds the vector, times a coefficient, at every position of some layers. */
    public Hook hook(double coefficient, int... layers) {
        Tensor push = direction.mul(coefficient);
        return Hook.at(points(layers), (residual, point) -> residual.add(push));
    }

    /**
     * A hook that adds the vector, times a coefficient, at chosen positions of the prompt.
     *
     * <p>In generation too: with a key/value cache a step has the new positions alone, and the prompt is steered when it
     * goes through; without one each step has the prompt again, and it is steered again. A hook counts the positions of
     * one run or one generation: make a new one for each.
     *
     * @param positions counted from 0, or from the prompt's end if negative
     */
    public Hook hookAt(double coefficient, int... positions) {
        Tensor push = direction.mul(coefficient);
        int[] chosen = positions.clone();
        PromptLength prompt = new PromptLength();
        return Hook.at(points(layer), (residual, point) -> {
            long length = prompt.inThisStep(residual.size(1));
            if (length == 0) {
                return null;
            }
            long[] places = Arrays.stream(chosen)
                    .mapToLong(place -> place < 0 ? place + length : place)
                    .toArray();
            for (long place : places) {
                if (place < 0 || place >= length) {
                    throw new IllegalArgumentException("There is no position " + Arrays.toString(chosen)
                            + " in a prompt of " + length + " tokens to steer at");
                }
            }
            Index.Selection selection = Index.at(Index.all(), Index.pick(places));
            return residual.with(selection, residual.get(selection).add(push));
        });
    }

    /** Tells the prompt from what is generated after it. */
    private static final class PromptLength {
        private long prompt;
        private long seen;

        /** Length of the prompt if it stands at the beginning of this step's positions; 0 if it has gone through. */
        synchronized long inThisStep(long positions) {
            if (prompt == 0) {
                prompt = positions;
                seen = positions;
                return prompt;
            }
            // Without a key/value cache the text is run again, longer by a token each time.
            boolean again = positions > seen;
            seen = again ? positions : seen + positions;
            return again ? prompt : 0;
        }
    }

    private static HookFilter points(int... layers) {
        List<String> names = new ArrayList<>();
        for (int layer : layers) {
            names.add("resid_post" + layer);
        }
        return HookFilter.names(names);
    }
}
