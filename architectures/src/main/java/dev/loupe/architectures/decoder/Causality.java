package dev.loupe.architectures.decoder;

import dev.loupe.architecture.CheckpointConfig;
import org.apiguardian.api.API;

/** Which way the positions of a checkpoint's model look: a decoder's see none that come after them. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Causality {

    private Causality() {}

    /**
     * Checks that a position sees none that comes after it. Hugging Face's models of every family look both ways where
     * {@code is_causal} is false, and some where {@code use_bidirectional_attention} is true: embedding models built of
     * decoders are stored so, under the decoder's {@code model_type}.
     *
     * @throws IllegalArgumentException if the config asks for attention in both directions; names the key
     */
    public static void require(CheckpointConfig config) {
        if (config.bool("use_bidirectional_attention", false)) {
            throw refused(config, "'use_bidirectional_attention' is true");
        }
        if (!config.bool("is_causal", true)) {
            throw refused(config, "'is_causal' is false");
        }
    }

    private static IllegalArgumentException refused(CheckpointConfig config, String what) {
        return new IllegalArgumentException(config.source() + ": " + what + ": this is an encoder, whose positions see"
                + " those after them. Loupe's models are decoders: load the model that it was made from.");
    }
}
