package dev.loupe.backend.onnx;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Normalization;
import dev.loupe.architecture.TransformerConfig.Positions;
import dev.loupe.architecture.TransformerConfig.Rotary;
import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;

/** Small models with random weights: plain attention, grouped heads, a sliding window. */
enum Family {
    GPT2,
    LLAMA,
    MISTRAL;

    static final int VOCABULARY = 53;
    private static final long SEED = 5;

    TransformerConfig config() {
        TransformerConfig.Builder config = TransformerConfig.builder()
                .modelName("random")
                .architecture(name().toLowerCase(Locale.ROOT))
                .nLayers(2)
                .dModel(32)
                .nHeads(4)
                .dVocab(VOCABULARY)
                .nCtx(512);
        return switch (this) {
            case GPT2 ->
                config.normalization(Normalization.LN_PRE)
                        .biases(Set.of("b_Q", "b_K", "b_V", "b_O", "b_in", "b_out", "b_U"))
                        .build();
            case LLAMA -> rotary(config).build();
            case MISTRAL -> rotary(config).slidingWindow(90).build();
        };
    }

    private static TransformerConfig.Builder rotary(TransformerConfig.Builder config) {
        return config.normalization(Normalization.RMS_PRE)
                .nKeyValueHeads(2)
                .positions(Positions.ROTARY)
                .rotary(new Rotary(8, new double[] {1, 0.1, 0.01, 0.001}, 1))
                .gatedMlp(true)
                .activation("silu")
                .biases(Set.of());
    }

    HookedTransformer model(String backend, DType dtype) {
        LoadOptions options =
                LoadOptions.defaults().withBackend(backend).withDType(dtype).withThreads(1);
        return HookedTransformer.fromConfig(config(), SEED, options);
    }

    /** So many tokens, the same at every call. */
    static long[] ids(int count) {
        return IntStream.range(0, count)
                .mapToLong(i -> (i * 29L + i / 7) % VOCABULARY)
                .toArray();
    }
}
