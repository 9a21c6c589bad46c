package dev.loupe.dictionaries.formats;

import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What a dictionary is, as its file says. Names follow SAELens's {@code SAEConfig}.
 *
 * @param name for messages
 * @param activation what makes activations sparse
 * @param k how many features a token may have, of {@link Activation#TOPK}; 0 otherwise
 * @param dIn width of what is read
 * @param dOut width of what is written
 * @param dSae number of features
 * @param hookIn full name of the hook point that is read
 * @param hookOut full name of the hook point that is replaced: the same, except for transcoders
 * @param applyBDecToInput whether {@code b_dec} is subtracted from the input
 * @param normalization how inputs are normalised
 * @param rescaleByDecoderNorm whether activations are measured in units of their decoder rows' norms
 * @param mergesHeads whether head and d_head are merged into one axis before reading ({@code reshape_activations: hook_z})
 * @param model name of the model that it was trained on; null if the file doesn't say
 * @param modelOptions options under which the model was loaded, by the original's names; empty if the file doesn't say
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record DictionaryConfig(
        String name,
        Activation activation,
        int k,
        int dIn,
        int dOut,
        int dSae,
        String hookIn,
        String hookOut,
        boolean applyBDecToInput,
        Normalization normalization,
        boolean rescaleByDecoderNorm,
        boolean mergesHeads,
        @Nullable String model,
        Map<String, Boolean> modelOptions) {

    /** What makes activations sparse. */
    public enum Activation {
        /** {@code relu(x)}. */
        RELU,
        /** {@code relu(x)·1[x > threshold]}. */
        JUMPRELU,
        /** The k largest of {@code relu(x)}. */
        TOPK,
        /** {@code 1[u + b_gate > 0] · relu(exp(r_mag)·u + b_mag)}. */
        GATED
    }

    /** How inputs are normalised, and outputs with them. */
    public enum Normalization {
        /** Not at all, or by a factor that is folded into the weights. */
        NONE,
        /** To the norm sqrt(d_in), undone after decoding. */
        CONSTANT_NORM_RESCALE,
        /** To mean 0 and unbiased standard deviation 1, undone after decoding. */
        LAYER_NORM
    }

    /** Copies the options and checks the sizes. */
    public DictionaryConfig {
        modelOptions = Map.copyOf(modelOptions);
        if (dIn < 1 || dOut < 1 || dSae < 1) {
            throw new IllegalArgumentException(
                    name + ": sizes must be positive, found d_in " + dIn + ", d_out " + dOut + ", d_sae " + dSae);
        }
        if (applyBDecToInput && dIn != dOut) {
            throw new IllegalArgumentException(name + ": 'apply_b_dec_to_input' subtracts b_dec, which is as wide as"
                    + " what is written, from what is read: d_in " + dIn + " and d_out " + dOut + " differ");
        }
        if (activation == Activation.TOPK && (k < 1 || k > dSae)) {
            throw new IllegalArgumentException(name + ": 'k' should be from 1 to d_sae " + dSae + ", found " + k);
        }
    }

    /** Whether it reads one point and replaces another. */
    public boolean isTranscoder() {
        return !hookIn.equals(hookOut);
    }

    /** The same at other hook points, by full names. */
    public DictionaryConfig at(String reads, String replaces) {
        return new DictionaryConfig(
                name,
                activation,
                k,
                dIn,
                dOut,
                dSae,
                reads,
                replaces,
                applyBDecToInput,
                normalization,
                rescaleByDecoderNorm,
                mergesHeads,
                model,
                modelOptions);
    }
}
