package dev.loupe.architectures.gemma2;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.llama.LlamaCheckpoints;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/** Gemma Team 2024; checkpoints of Hugging Face's {@code Gemma2ForCausalLM}. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Gemma2Architecture extends DecoderArchitecture {

    /** Norms are stored as their weights' distance from 1. */
    private static final double NORM_OFFSET = 1;

    /** Made by the service loader. */
    public Gemma2Architecture() {
        super("gemma2", "Gemma2ForCausalLM", "gemma2");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        CheckpointConfig full = config.withDefault("hidden_size", 2304)
                .withDefault("intermediate_size", 9216)
                .withDefault("num_hidden_layers", 26)
                .withDefault("num_attention_heads", 8)
                .withDefault("head_dim", 256)
                .withDefault("vocab_size", 256000);
        RotarySettings.requireOneKind(full);
        Integer window = LlamaCheckpoints.window(full, "sliding_window", 4096);
        var slides = LlamaCheckpoints.sliding(full, layer -> layer % 2 == 0);
        Double scoreCap = LlamaCheckpoints.softCap(full, "attn_logit_softcapping", 50.0);
        return LlamaCheckpoints.gemma(full, id(), 8192)
                .logitSoftCap(LlamaCheckpoints.softCap(full, "final_logit_softcapping", 30.0))
                .biases(full.bool("attention_bias", false) ? Set.of("b_Q", "b_K", "b_V", "b_O") : Set.of())
                .blocks((block, layer) -> block.withNorms(BlockSpec.Norms.BEFORE_AND_AFTER)
                        .withScoreSoftCap(scoreCap)
                        .withWindow(slides.test(layer) ? window : null))
                .build();
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config, NORM_OFFSET);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        List<PretrainedModel> models = new ArrayList<>();
        for (String size : List.of("2b", "9b", "27b")) {
            for (String version : List.of("gemma-2-" + size, "gemma-2-" + size + "-it")) {
                models.add(new PretrainedModel(version, "google/" + version));
            }
        }
        return models;
    }
}
