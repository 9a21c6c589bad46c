package dev.loupe.architectures.mistral;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.llama.LlamaCheckpoints;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Jiang et al. 2023; checkpoints of Hugging Face's {@code MistralForCausalLM}. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MistralArchitecture extends DecoderArchitecture {

    // What Hugging Face's MistralConfig takes where a config leaves the key out.
    private static final int POSITIONS = 4096 * 32;
    private static final int KEY_VALUE_HEADS = 8;
    private static final int WINDOW = 4096;

    /** Made by the service loader. */
    public MistralArchitecture() {
        super("mistral", "MistralForCausalLM", "mistral");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        return LlamaCheckpoints.config(config, id(), POSITIONS, KEY_VALUE_HEADS)
                .slidingWindow(window(config))
                .build();
    }

    // A null says that there is no window; a missing key leaves it at Mistral's own.
    private static @Nullable Integer window(CheckpointConfig config) {
        String key = "sliding_window";
        if (!config.bool("use_sliding_window", true) || (config.keys().contains(key) && !config.has(key))) {
            return null;
        }
        return config.integer(key, WINDOW);
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        return List.of(
                new PretrainedModel("mistral-7b", "mistralai/Mistral-7B-v0.1"),
                new PretrainedModel("mistral-7b-v0.2", "mistral-community/Mistral-7B-v0.2"),
                new PretrainedModel("mistral-7b-v0.3", "mistralai/Mistral-7B-v0.3"),
                new PretrainedModel("mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3"));
    }
}
