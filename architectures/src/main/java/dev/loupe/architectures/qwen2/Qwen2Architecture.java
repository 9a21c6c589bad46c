package dev.loupe.architectures.qwen2;

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
import java.util.function.IntPredicate;
import org.apiguardian.api.API;

/** Yang et al. 2024; checkpoints of Hugging Face's {@code Qwen2ForCausalLM}, Qwen 2 and 2.5. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Qwen2Architecture extends DecoderArchitecture {

    /** Made by the service loader. */
    public Qwen2Architecture() {
        super("qwen2", "Qwen2ForCausalLM", "qwen2");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        return LlamaCheckpoints.config(config, id(), 32768, 32)
                .biases(Set.of("b_Q", "b_K", "b_V"))
                .bosId(SpecialIds.bos(config, SpecialIds.NONE, config.integer("vocab_size")))
                .eosIds(SpecialIds.eos(config, SpecialIds.NONE, config.integer("vocab_size")))
                .defaultPrependBos(false)
                .blocks(windows(config))
                .build();
    }

    /** The window slides only if {@code use_sliding_window}, in layers from {@code max_window_layers} on unless told. */
    private static LlamaCheckpoints.BlockRule windows(CheckpointConfig config) {
        Integer window = config.bool("use_sliding_window", false)
                ? LlamaCheckpoints.window(config, "sliding_window", 4096)
                : null;
        int from = config.integer("max_window_layers", 28);
        IntPredicate slides = LlamaCheckpoints.sliding(config, layer -> layer >= from);
        return (block, layer) -> block.withWindow(slides.test(layer) ? window : null);
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        List<PretrainedModel> models = new ArrayList<>();
        for (String size : List.of("0.5B", "1.5B", "7B", "72B")) {
            add(models, "Qwen2-" + size);
        }
        for (String size : List.of("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B")) {
            add(models, "Qwen2.5-" + size);
        }
        return models;
    }

    private static void add(List<PretrainedModel> models, String name) {
        for (String version : List.of(name, name + "-Instruct")) {
            models.add(new PretrainedModel(version.toLowerCase(Locale.ROOT), "Qwen/" + version));
        }
    }
}
