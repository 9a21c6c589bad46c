package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Which components of the residual stream a stack has, and at which point of the model. Names and defaults are the
 * original's. Immutable: each method gives changed options.
 *
 * <p>A method of {@link CacheAnalysis} says which of these it knows; others that were set are an error.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class StackOptions {

    /** The end of the model, as a layer. */
    static final int AFTER_LAST = -1;

    /** Which components are stacked. */
    public enum Mode {
        /** Attention and MLPs. */
        ALL,
        /** Attention alone. */
        ATTN,
        /** MLPs alone. */
        MLP
    }

    /** What can be set. */
    enum Option {
        LAYER,
        MLP_INPUT,
        MODE,
        APPLY_LN,
        POSITIONS,
        INCL_EMBEDS,
        INCL_MID,
        INCL_REMAINDER,
        EXPAND_NEURONS,
        NEURONS,
        PROJECT_OUTPUT;

        private String camelCase() {
            String[] words = name().toLowerCase(Locale.ROOT).split("_", -1);
            StringBuilder result = new StringBuilder(words[0]);
            for (int i = 1; i < words.length; i++) {
                result.append(words[i].substring(0, 1).toUpperCase(Locale.ROOT)).append(words[i].substring(1));
            }
            return result.toString();
        }
    }

    private final Set<Option> set = EnumSet.noneOf(Option.class);
    private int layer = AFTER_LAST;
    private Mode mode = Mode.ALL;
    private Index positions = Index.all();
    private boolean inclEmbeds = true;
    private boolean expandNeurons = true;
    private Index neurons = Index.all();
    private @Nullable Tensor directions;

    private StackOptions() {}

    /** The whole model, all positions, no layer norm. */
    public static StackOptions defaults() {
        return new StackOptions();
    }

    /** Short for {@code defaults().layer(layer)}. */
    public static StackOptions upTo(int layer) {
        return defaults().layer(layer);
    }

    private StackOptions changed(Option option) {
        StackOptions copy = new StackOptions();
        copy.set.addAll(set);
        copy.set.add(option);
        copy.layer = layer;
        copy.mode = mode;
        copy.positions = positions;
        copy.inclEmbeds = inclEmbeds;
        copy.expandNeurons = expandNeurons;
        copy.neurons = neurons;
        copy.directions = directions;
        return copy;
    }

    /** What enters this layer; the number of layers, or −1, for what enters the final norm. */
    public StackOptions layer(int value) {
        StackOptions copy = changed(Option.LAYER);
        copy.layer = value;
        return copy;
    }

    /** What enters the layer's MLP instead of its attention. */
    public StackOptions mlpInput() {
        return changed(Option.MLP_INPUT);
    }

    /** Attention, MLPs or both. */
    public StackOptions mode(Mode value) {
        StackOptions copy = changed(Option.MODE);
        copy.mode = value;
        return copy;
    }

    /** Applies the norm that stands where the stack ends; see {@link CacheAnalysis#applyLnToStack}. */
    public StackOptions applyLn() {
        return changed(Option.APPLY_LN);
    }

    /** Chosen positions only. */
    public StackOptions positions(Index value) {
        StackOptions copy = changed(Option.POSITIONS);
        copy.positions = value;
        return copy;
    }

    /**
     * One position only, whose axis is dropped; a negative one counts from the end of each sequence's real tokens: −1 is its
     * last real token, whatever padding stands behind it.
     */
    public StackOptions position(long value) {
        return positions(new Index.One(value));
    }

    /** Without the embeddings. */
    public StackOptions withoutEmbeds() {
        StackOptions copy = changed(Option.INCL_EMBEDS);
        copy.inclEmbeds = false;
        return copy;
    }

    /** With the residual stream between attention and MLP. */
    public StackOptions inclMid() {
        return changed(Option.INCL_MID);
    }

    /** With a component for all that the others leave out. */
    public StackOptions inclRemainder() {
        return changed(Option.INCL_REMAINDER);
    }

    /** Whether MLPs are taken apart into neurons, as they are unless this is said. */
    public StackOptions expandNeurons(boolean value) {
        StackOptions copy = changed(Option.EXPAND_NEURONS);
        copy.expandNeurons = value;
        return copy;
    }

    /** Chosen neurons of each layer only. */
    public StackOptions neurons(Index value) {
        StackOptions copy = changed(Option.NEURONS);
        copy.neurons = value;
        return copy;
    }

    /**
     * Projects each component, after the norm if that is applied, onto directions: values are dot products with them instead
     * of vectors. Neurons are projected before they are multiplied out, so that memory grows with the number of directions
     * instead of d_model. The original's {@code project_output_onto}.
     *
     * @param onto one direction [d_model], which leaves values [component, batch, pos], or several [d_model, direction],
     *     which leave [component, batch, pos, direction]
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public StackOptions projectOutput(Tensor onto) {
        StackOptions copy = changed(Option.PROJECT_OUTPUT);
        copy.directions = onto;
        return copy;
    }

    /** Refuses options that a method doesn't know. */
    void requireOnly(String method, Option... known) {
        Set<Option> unknown = EnumSet.copyOf(set.isEmpty() ? EnumSet.noneOf(Option.class) : set);
        for (Option option : known) {
            unknown.remove(option);
        }
        if (!unknown.isEmpty()) {
            StringBuilder names = new StringBuilder();
            for (Option option : known) {
                names.append(names.isEmpty() ? "" : ", ").append(option.camelCase());
            }
            throw new IllegalArgumentException(
                    method + " has no option " + unknown.iterator().next().camelCase() + "; it has " + names);
        }
    }

    /** The layer, from 0 to the number of layers. */
    int layer(int layers, boolean needsBlock) {
        int result = layer == AFTER_LAST ? layers : layer;
        if (result < 0 || result > layers) {
            throw new IllegalArgumentException("layer " + layer + " is out of range: from 0 to " + layers
                    + ", the number of layers, which like -1 stands for the end");
        }
        if (needsBlock && result == layers) {
            throw new IllegalArgumentException("mlpInput needs a layer from 0 to " + (layers - 1)
                    + ": after the last one there is no MLP. Set layer(…).");
        }
        return result;
    }

    boolean has(Option option) {
        return set.contains(option);
    }

    Mode mode() {
        return mode;
    }

    Index positions() {
        return positions;
    }

    boolean inclEmbeds() {
        return inclEmbeds;
    }

    boolean expandsNeurons() {
        return expandNeurons;
    }

    Index neurons() {
        return neurons;
    }

    /**
     * What to project onto [d_model, direction], fit for a model; null for nothing.
     *
     * @param centred whether what is projected would be centred before: the directions are centred in its stead
     * @throws IllegalArgumentException if the directions don't fit the model
     */
    @Nullable
    Tensor directions(HookedTransformer model, boolean centred) {
        Tensor given = directions;
        if (given == null) {
            return null;
        }
        int width = model.config().dModel();
        if (given.rank() < 1 || given.rank() > 2 || given.size(0) != width) {
            throw new IllegalArgumentException("Directions to project onto should be [d_model] or [d_model, direction],"
                    + " d_model " + width + "; found " + given.describe());
        }
        given.requireOn(model.backend(), "What is projected onto");
        Tensor matrix = (given.rank() == 1 ? given.unsqueeze(1) : given).to(model.dtype());
        return centred ? matrix.sub(matrix.mean(0).unsqueeze(0)) : matrix;
    }

    /** Whether there is one direction, which leaves no axis. */
    boolean projectsOntoOne() {
        return directions != null && directions.rank() == 1;
    }
}
