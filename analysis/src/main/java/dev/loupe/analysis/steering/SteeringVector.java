package dev.loupe.analysis.steering;

import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.graph.HookNames;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A direction in the residual stream of a layer: the mean difference of activations between prompts that have something
 * and prompts that haven't ("Steering Llama 2 via Contrastive Activation Addition", Rimsky and others, 2023). Added to
 * the residual stream it pushes the model the first way.
 *
 * @param layer the layer that it was found at, counted from 0
 * @param direction [d_model]
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record SteeringVector(int layer, Tensor direction) {

    private static final String VECTOR = "direction";

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

    /**
     * Adds the vector, times a coefficient, at every position of its layer; in generation at every step. {@link
     * Intervention#positions}, {@link Intervention#lastReal} and others restrict it.
     */
    public Intervention intervention(double coefficient) {
        return interventions(coefficient, layer)[0];
    }

    /** The same at some layers. */
    public Intervention[] interventions(double coefficient, int... layers) {
        Tensor push = direction.mul(coefficient);
        return Arrays.stream(layers)
                .mapToObj(at -> Intervention.add("resid_post", at, push))
                .toArray(Intervention[]::new);
    }

    /**
     * Writes the {@linkplain #intervention(double) intervention} to a file that {@link Intervention#read} reads, and the
     * vector, of length as it is, beside it: {@code steer.json} and {@code steer.safetensors}, where it is called {@code
     * direction}. Files that exist are replaced.
     *
     * @param file of the intervention
     * @return the file of the vector
     * @throws java.io.UncheckedIOException if one can't be written
     */
    public Path save(Path file, double coefficient) {
        String name = String.valueOf(file.getFileName());
        int dot = name.lastIndexOf('.');
        Path beside = file.resolveSibling((dot > 0 ? name.substring(0, dot) : name) + ".safetensors");
        if (beside.equals(file)) {
            throw new IllegalArgumentException(
                    "The intervention and the vector can't both be in " + file + ": name a file such as steer.json");
        }
        new SafetensorsWriter()
                .add(VECTOR, direction.dtype(), direction.shape(), direction::toHost)
                .write(beside);
        Intervention push = new Intervention(
                HookNames.join("resid_post", layer),
                Selection.ALL,
                new Intervention.Add(
                        new Intervention.Values(coefficient, null, String.valueOf(beside.getFileName()), VECTOR)));
        Intervention.write(file, List.of(push));
        return beside;
    }

    /**
     * Adds the vector, times a coefficient, at chosen real tokens of each prompt; padding doesn't count. What is generated
     * after the prompt isn't steered.
     *
     * @param positions counted from 0 at the first real token (BOS, where there is one), or from the last one if
     *     negative; in a run that goes on from a key/value cache, among the tokens that this run is given
     */
    public Intervention interventionAt(double coefficient, long... positions) {
        return intervention(coefficient).promptPositions(positions);
    }
}
