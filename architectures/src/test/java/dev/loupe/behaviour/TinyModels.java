package dev.loupe.behaviour;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;

/** Small random models that need no files. */
final class TinyModels {

    static final long SEED = 20240607;

    private TinyModels() {}

    static TransformerConfig gpt2Config() {
        return TransformerConfig.builder()
                .modelName("tiny")
                .architecture("gpt2")
                .nLayers(3)
                .dModel(24)
                .nHeads(3)
                .dVocab(50)
                .nCtx(32)
                .bosId(0L)
                .build();
    }

    /** On the reference backend in float64, so that equal means equal to the last few bits. */
    static HookedTransformer gpt2() {
        LoadOptions options = LoadOptions.defaults().withBackend("reference").withDType(DType.FLOAT64);
        return HookedTransformer.fromConfig(gpt2Config(), SEED, options);
    }

    static Tokens tokens() {
        return Tokens.of(new long[] {1, 7, 3, 9, 2, 8}, new long[] {4, 4, 6, 0, 11, 5});
    }
}
