package dev.loupe.architectures.llama;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/** Touvron et al. 2023; checkpoints of Hugging Face's {@code LlamaForCausalLM}, from LLaMA 1 to 3. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class LlamaArchitecture extends DecoderArchitecture {

    /** Made by the service loader. */
    public LlamaArchitecture() {
        super("llama", "LlamaForCausalLM", "llama");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        return LlamaCheckpoints.config(config, id(), 2048, 0)
                .biases(biases(config))
                .build();
    }

    private static Set<String> biases(CheckpointConfig config) {
        Set<String> biases = new LinkedHashSet<>();
        if (config.bool("attention_bias", false)) {
            biases.addAll(List.of("b_Q", "b_K", "b_V", "b_O"));
        }
        if (config.bool("mlp_bias", false)) {
            biases.addAll(List.of("b_gate", "b_in", "b_out"));
        }
        return biases;
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return LlamaCheckpoints.weights(config);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        return List.of(
                new PretrainedModel("llama-7b", "huggyllama/llama-7b"),
                new PretrainedModel("llama-13b", "huggyllama/llama-13b"),
                new PretrainedModel("llama-2-7b", "meta-llama/Llama-2-7b-hf"),
                new PretrainedModel("llama-2-7b-chat", "meta-llama/Llama-2-7b-chat-hf"),
                new PretrainedModel("llama-2-13b", "meta-llama/Llama-2-13b-hf"),
                new PretrainedModel("llama-2-13b-chat", "meta-llama/Llama-2-13b-chat-hf"),
                new PretrainedModel("llama-3-8b", "meta-llama/Meta-Llama-3-8B"),
                new PretrainedModel("llama-3-8b-instruct", "meta-llama/Meta-Llama-3-8B-Instruct"),
                new PretrainedModel("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
                new PretrainedModel("llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
                new PretrainedModel("llama-3.2-1b", "meta-llama/Llama-3.2-1B"),
                new PretrainedModel("llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct"),
                new PretrainedModel("llama-3.2-3b", "meta-llama/Llama-3.2-3B"),
                new PretrainedModel("llama-3.2-3b-instruct", "meta-llama/Llama-3.2-3B-Instruct"),
                new PretrainedModel("tinyllama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"));
    }
}
