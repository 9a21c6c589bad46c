package dev.loupe.benchmarks;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Normalization;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.Random;
import java.util.Set;

/** A model of GPT-2-small's size with random weights, as it is after weight processing, and prompts for it. */
public final class Gpt2Small {

    private Gpt2Small() {}

    /** The config. */
    public static TransformerConfig config() {
        return TransformerConfig.builder()
                .modelName("gpt2-small, random weights")
                .architecture("gpt2")
                .nLayers(12)
                .dModel(768)
                .nHeads(12)
                .dVocab(50257)
                .nCtx(1024)
                .normalization(Normalization.LN_PRE)
                .biases(Set.of("b_Q", "b_K", "b_V", "b_O", "b_in", "b_out", "b_U"))
                .build();
    }

    /** The model on a backend, with so many threads. */
    public static HookedTransformer model(String backend, int threads) {
        LoadOptions options = LoadOptions.defaults().withBackend(backend).withThreads(threads);
        return HookedTransformer.fromConfig(config(), 1, options);
    }

    /** Random tokens of a shape such as {@code 8x64}: batch and positions. */
    public static Tokens tokens(String shape) {
        int x = shape.indexOf('x');
        return tokens(Integer.parseInt(shape.substring(0, x)), Integer.parseInt(shape.substring(x + 1)));
    }

    /** Random tokens, the same each time. */
    public static Tokens tokens(int batch, int positions) {
        return tokens(batch, positions, config().dVocab());
    }

    /** Random tokens of a vocabulary, the same each time. */
    static Tokens tokens(int batch, int positions, int vocabulary) {
        Random random = new Random(batch * 1000003L + positions);
        long[][] ids = new long[batch][positions];
        for (long[] row : ids) {
            for (int i = 0; i < positions; i++) {
                row[i] = random.nextInt(vocabulary);
            }
        }
        return Tokens.of(ids);
    }
}
