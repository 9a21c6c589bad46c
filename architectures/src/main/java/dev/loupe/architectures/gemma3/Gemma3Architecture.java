package dev.loupe.architectures.gemma3;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Rotary;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.llama.LlamaCheckpoints;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Gemma Team 2025; checkpoints of Hugging Face's {@code Gemma3ForCausalLM}, and the text part of {@code
 * Gemma3ForConditionalGeneration}.
 */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Gemma3Architecture extends DecoderArchitecture {

    private static final double NORM_OFFSET = 1;
    private static final double LOCAL_THETA = 10_000;
    private static final double GLOBAL_THETA = 1_000_000;

    /** Made by the service loader. */
    public Gemma3Architecture() {
        super("gemma3", "Gemma3ForCausalLM", "gemma3_text", "gemma3");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        CheckpointConfig full = text(config);
        int width = full.integer("head_dim");
        int positions = full.integer("max_position_embeddings", 131072);
        Rotary global = RotarySettings.ofKind(full, "full_attention", width, GLOBAL_THETA, positions);
        Rotary local = local(full, width, positions);
        Integer window = LlamaCheckpoints.window(full, "sliding_window", 4096);
        int pattern = full.integer("sliding_window_pattern", full.integer("_sliding_window_pattern", 6));
        if (pattern < 1) {
            throw new IllegalArgumentException(
                    config.source() + ": 'sliding_window_pattern' should be at least 1, found " + pattern);
        }
        var slides = LlamaCheckpoints.sliding(full, layer -> (layer + 1) % pattern != 0);
        Double scoreCap = LlamaCheckpoints.softCap(full, "attn_logit_softcapping", null);
        return LlamaCheckpoints.gemma(full, id(), positions)
                .rotary(global)
                .logitSoftCap(LlamaCheckpoints.softCap(full, "final_logit_softcapping", null))
                .biases(full.bool("attention_bias", false) ? Set.of("b_Q", "b_K", "b_V", "b_O") : Set.of())
                .blocks((block, layer) -> block.withNorms(BlockSpec.Norms.BEFORE_AND_AFTER)
                        .withQueryKeyNorms(true)
                        .withScoreSoftCap(scoreCap)
                        .withWindow(slides.test(layer) ? window : null)
                        .withRotary(slides.test(layer) ? local : global))
                .build();
    }

    /** What the config says of the language model, the multimodal one's own special ids included. */
    private static CheckpointConfig text(CheckpointConfig config) {
        CheckpointConfig text = config.has("text_config") ? config.object("text_config") : config;
        for (String key : List.of("bos_token_id", "eos_token_id", "tie_word_embeddings")) {
            Object outer = config.raw(key);
            text = outer == null ? text : text.withDefault(key, outer);
        }
        return text.withDefault("hidden_size", 2304)
                .withDefault("intermediate_size", 9216)
                .withDefault("num_hidden_layers", 26)
                .withDefault("num_attention_heads", 8)
                .withDefault("head_dim", 256)
                .withDefault("vocab_size", 262208);
    }

    // Sliding layers turn by a base of their own, unscaled unless the config says so of them.
    private static Rotary local(CheckpointConfig config, int width, int positions) {
        CheckpointConfig settings = config.object("rope_parameters").object("sliding_attention");
        double theta = config.number("rope_local_base_freq", LOCAL_THETA);
        return RotarySettings.of(config, settings.withDefault("rope_theta", theta), width, theta, positions);
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config, NORM_OFFSET);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        List<PretrainedModel> models = new ArrayList<>();
        for (String size : List.of("270m", "1b", "4b", "12b", "27b")) {
            models.add(new PretrainedModel(
                    "gemma-3-" + size, "google/gemma-3-" + size + (size.equals("270m") ? "" : "-pt")));
            models.add(new PretrainedModel("gemma-3-" + size + "-it", "google/gemma-3-" + size + "-it"));
        }
        return models;
    }
}
