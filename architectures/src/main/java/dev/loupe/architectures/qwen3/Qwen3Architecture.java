package dev.loupe.architectures.qwen3;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.SpecialIds;
import dev.loupe.architectures.llama.LlamaCheckpoints;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apiguardian.api.API;

/** Yang et al. 2025; checkpoints of Hugging Face's {@code Qwen3ForCausalLM}. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Qwen3Architecture extends DecoderArchitecture {

    /** Made by the service loader. */
    public Qwen3Architecture() {
        super("qwen3", "Qwen3ForCausalLM", "qwen3");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        CheckpointConfig full = config.withDefault("head_dim", 128);
        Integer window =
                full.bool("use_sliding_window", false) ? LlamaCheckpoints.window(full, "sliding_window", 4096) : null;
        int from = full.integer("max_window_layers", 28);
        var slides = LlamaCheckpoints.sliding(full, layer -> layer >= from);
        return LlamaCheckpoints.config(full, id(), 32768, 32)
                .biases(full.bool("attention_bias", false) ? Set.of("b_Q", "b_K", "b_V", "b_O") : Set.of())
                .bosId(SpecialIds.bos(config, SpecialIds.NONE, config.integer("vocab_size")))
                .eosIds(SpecialIds.eos(config, SpecialIds.NONE, config.integer("vocab_size")))
                .defaultPrependBos(false)
                .blocks((block, layer) -> block.withQueryKeyNorms(true).withWindow(slides.test(layer) ? window : null))
                .build();
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        List<PretrainedModel> models = new ArrayList<>();
        for (String size : List.of("0.6B", "1.7B", "4B", "8B", "14B", "32B")) {
            String alias = "qwen3-" + size.toLowerCase(Locale.ROOT);
            models.add(new PretrainedModel(alias, "Qwen/Qwen3-" + size));
            if (!size.equals("32B")) {
                models.add(new PretrainedModel(alias + "-base", "Qwen/Qwen3-" + size + "-Base"));
            }
        }
        return models;
    }
}
