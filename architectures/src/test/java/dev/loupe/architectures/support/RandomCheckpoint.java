package dev.loupe.architectures.support;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;

/**
 * A tiny checkpoint in Hugging Face form with random numbers in every tensor, norms and biases included.
 *
 * @param config what stands in config.json
 * @param tensors what stands in model.safetensors
 */
public record RandomCheckpoint(Map<String, Object> config, Map<String, HostTensor> tensors) {

    /** GPT-2: two layers, three heads, d_model 12, vocabulary 31, 24 positions; changed as told. */
    public static RandomCheckpoint gpt2(Map<String, ?> changes, long seed) {
        Map<String, Object> config = new LinkedHashMap<>(Map.of(
                "model_type", "gpt2", "n_embd", 12, "n_head", 3, "n_layer", 2, "n_positions", 24, "vocab_size", 31));
        config.putAll(changes);
        Maker make = new Maker(seed);
        int width = (int) config.get("n_embd");
        int inner = config.get("n_inner") instanceof Integer given ? given : 4 * width;
        make.matrix("transformer.wte.weight", (int) config.get("vocab_size"), width);
        make.matrix("transformer.wpe.weight", (int) config.get("n_positions"), width);
        for (int layer = 0; layer < (int) config.get("n_layer"); layer++) {
            String block = "transformer.h." + layer + ".";
            make.norm(block + "ln_1.weight", width);
            make.vector(block + "ln_1.bias", width);
            make.matrix(block + "attn.c_attn.weight", width, 3 * width);
            make.vector(block + "attn.c_attn.bias", 3 * width);
            make.matrix(block + "attn.c_proj.weight", width, width);
            make.vector(block + "attn.c_proj.bias", width);
            make.norm(block + "ln_2.weight", width);
            make.vector(block + "ln_2.bias", width);
            make.matrix(block + "mlp.c_fc.weight", width, inner);
            make.vector(block + "mlp.c_fc.bias", inner);
            make.matrix(block + "mlp.c_proj.weight", inner, width);
            make.vector(block + "mlp.c_proj.bias", width);
        }
        make.norm("transformer.ln_f.weight", width);
        make.vector("transformer.ln_f.bias", width);
        if (Boolean.FALSE.equals(config.get("tie_word_embeddings"))) {
            make.matrix("lm_head.weight", (int) config.get("vocab_size"), width);
        }
        return new RandomCheckpoint(config, make.tensors);
    }

    /**
     * LLaMA, or another family of its form: two layers, four heads of 6, two key/value heads, d_model 12, d_mlp 20,
     * vocabulary 31, 24 positions; changed as told.
     */
    public static RandomCheckpoint llama(Map<String, ?> changes, long seed) {
        Map<String, Object> config = new LinkedHashMap<>(Map.of(
                "model_type", "llama",
                "hidden_size", 12,
                "num_attention_heads", 4,
                "num_key_value_heads", 2,
                "head_dim", 6,
                "intermediate_size", 20,
                "num_hidden_layers", 2,
                "max_position_embeddings", 24,
                "vocab_size", 31));
        config.putAll(changes);
        Maker make = new Maker(seed);
        int width = (int) config.get("hidden_size");
        int queries = (int) config.get("num_attention_heads") * (int) config.get("head_dim");
        int keys = (int) config.get("num_key_value_heads") * (int) config.get("head_dim");
        int inner = (int) config.get("intermediate_size");
        boolean attentionBias = Boolean.TRUE.equals(config.get("attention_bias"));
        boolean mlpBias = Boolean.TRUE.equals(config.get("mlp_bias"));
        make.matrix("model.embed_tokens.weight", (int) config.get("vocab_size"), width);
        for (int layer = 0; layer < (int) config.get("num_hidden_layers"); layer++) {
            String block = "model.layers." + layer + ".";
            make.norm(block + "input_layernorm.weight", width);
            make.linear(block + "self_attn.q_proj", queries, width, attentionBias);
            make.linear(block + "self_attn.k_proj", keys, width, attentionBias);
            make.linear(block + "self_attn.v_proj", keys, width, attentionBias);
            make.linear(block + "self_attn.o_proj", width, queries, attentionBias);
            make.norm(block + "post_attention_layernorm.weight", width);
            make.linear(block + "mlp.gate_proj", inner, width, mlpBias);
            make.linear(block + "mlp.up_proj", inner, width, mlpBias);
            make.linear(block + "mlp.down_proj", width, inner, mlpBias);
        }
        make.norm("model.norm.weight", width);
        if (!Boolean.TRUE.equals(config.get("tie_word_embeddings"))) {
            make.matrix("lm_head.weight", (int) config.get("vocab_size"), width);
        }
        return new RandomCheckpoint(config, make.tensors);
    }

    /** The same tensors under other names. */
    public RandomCheckpoint renamed(UnaryOperator<String> rename) {
        Map<String, HostTensor> others = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> others.put(rename.apply(name), tensor));
        return new RandomCheckpoint(config, others);
    }

    /** The same with one more tensor, which may mean nothing. */
    public RandomCheckpoint with(String name, HostTensor tensor) {
        Map<String, HostTensor> more = new LinkedHashMap<>(tensors);
        more.put(name, tensor);
        return new RandomCheckpoint(config, more);
    }

    /** The same without one of the tensors. */
    public RandomCheckpoint without(String name) {
        Map<String, HostTensor> fewer = new LinkedHashMap<>(tensors);
        fewer.remove(name);
        return new RandomCheckpoint(config, fewer);
    }

    /** Writes both files and returns the directory. */
    public Path writeTo(Path directory) {
        try {
            new ObjectMapper().writeValue(directory.resolve("config.json").toFile(), config);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        SafetensorsWriter writer = new SafetensorsWriter();
        tensors.forEach(writer::add);
        writer.write(directory.resolve("model.safetensors"));
        return directory;
    }

    private static final class Maker {
        private final Map<String, HostTensor> tensors = new LinkedHashMap<>();
        private final Random random;

        Maker(long seed) {
            random = new Random(seed);
        }

        void matrix(String name, int rows, int columns) {
            fill(name, 0, 0.4, rows, columns);
        }

        void vector(String name, int size) {
            fill(name, 0, 0.3, size);
        }

        void norm(String name, int size) {
            fill(name, 1, 0.3, size);
        }

        void linear(String name, int out, int in, boolean bias) {
            matrix(name + ".weight", out, in);
            if (bias) {
                vector(name + ".bias", out);
            }
        }

        private void fill(String name, double mean, double spread, long... sizes) {
            HostTensor tensor = HostTensor.allocate(DType.FLOAT32, Shape.of(sizes));
            for (int i = 0; i < tensor.shape().elements(); i++) {
                tensor.setDouble(i, mean + spread * random.nextGaussian());
            }
            tensors.put(name, tensor);
        }
    }
}
