package dev.loupe.architectures.llama;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.ActivationFunctions;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.decoder.SpecialIds;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Checkpoints in the form of Hugging Face's {@code LlamaForCausalLM}: what its config says and what its tensors
 * are called. Many families keep to this form and differ in a setting or two.
 */
public final class LlamaCheckpoints {

    private static final String TIED = "tie_word_embeddings";
    private static final String PARTIAL = "partial_rotary_factor";

    private LlamaCheckpoints() {}

    /**
     * Reads a config: RMS norm, rotary positions, grouped heads, a gated MLP, and no biases, which a family
     * {@linkplain TransformerConfig.Builder#biases adds} if it has them.
     *
     * @param architecture id of the architecture provider
     * @param maxPositions the family's longest context, for configs without {@code max_position_embeddings}
     * @param keyValueHeads the family's number of key/value heads for configs without {@code
     *     num_key_value_heads}; 0 for as many as query heads
     * @throws IllegalArgumentException if a setting is missing, contradictory or unknown; names the key
     */
    public static TransformerConfig.Builder config(
            CheckpointConfig config, String architecture, int maxPositions, int keyValueHeads) {
        int width = config.integer("hidden_size");
        int heads = config.integer("num_attention_heads");
        if (heads < 1 || (!config.has("head_dim") && width % heads != 0)) {
            throw new IllegalArgumentException(config.source() + ": 'hidden_size' " + width
                    + " can't be divided among 'num_attention_heads' " + heads
                    + " heads, and there is no 'head_dim'");
        }
        int headWidth = config.integer("head_dim", width / heads);
        int vocabulary = config.integer("vocab_size");
        int positions = config.integer("max_position_embeddings", maxPositions);
        String activation = config.string("hidden_act", "silu");
        TransformerConfig.Builder builder = TransformerConfig.builder()
                .modelName(config.source())
                .architecture(architecture)
                .nLayers(config.integer("num_hidden_layers"))
                .dModel(width)
                .nHeads(heads)
                .nKeyValueHeads(keyValueHeads(config, heads, keyValueHeads))
                .dHead(headWidth)
                .dMlp(config.integer("intermediate_size"))
                .dVocab(vocabulary)
                .nCtx(positions)
                .normalization(TransformerConfig.Normalization.RMS)
                .eps(config.number("rms_norm_eps", 1e-6))
                .activation(ActivationFunctions.check(activation, config.source() + ": 'hidden_act'"))
                .gatedMlp(true)
                .biases(Set.of())
                .bosId(SpecialIds.bos(config, 1, vocabulary))
                .eosIds(SpecialIds.eos(config, 2, vocabulary))
                .extra(TIED, config.bool(TIED, false));
        // As transformers does: these families turn whole heads, whatever their config says.
        return RotarySettings.apply(builder, config.without(PARTIAL), headWidth, positions);
    }

    private static int keyValueHeads(CheckpointConfig config, int heads, int fallback) {
        String key = "num_key_value_heads";
        boolean familyDecides = !config.keys().contains(key) && fallback > 0;
        int count = config.integer(key, familyDecides ? fallback : heads);
        if (count < 1 || heads % count != 0) {
            throw new IllegalArgumentException(config.source() + ": '" + key + "' " + count
                    + (config.has(key) ? "" : ", which is the default,") + " doesn't divide 'num_attention_heads' "
                    + heads);
        }
        return count;
    }

    /**
     * The weights' places: the names of {@code LlamaForCausalLM}, with the prefix {@code model.} or, from the
     * bare model, without. Biases are read where the config has them.
     */
    public static WeightMapping weights(TransformerConfig config) {
        WeightMapping.Builder rules = WeightMapping.builder();
        long width = config.dModel();
        List<String> embedding = names("embed_tokens.weight");
        List<String> unembedding = new ArrayList<>(List.of("lm_head.weight"));
        if (Boolean.TRUE.equals(config.extra().get(TIED))) {
            unembedding.addAll(embedding);
            embedding.add("lm_head.weight");
        }
        rules.asIs(DecoderWeights.EMBEDDING, embedding, config.dVocab(), width);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            block(rules, config, layer);
        }
        rules.asIs(DecoderWeights.FINAL_NORM_WEIGHT, names("norm.weight"), width);
        rules.transposed(DecoderWeights.UNEMBEDDING, unembedding, config.dVocab(), width);
        return rules.ignore("(model\\.)?(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq")
                .build();
    }

    private static void block(WeightMapping.Builder rules, TransformerConfig config, int layer) {
        String from = "layers." + layer + ".";
        String to = DecoderWeights.inBlock(layer, "");
        long width = config.dModel();
        long queries = (long) config.nHeads() * config.dHead();
        long keys = (long) config.nKeyValueHeads() * config.dHead();
        rules.asIs(to + "ln1.w", names(from + "input_layernorm.weight"), width);
        linear(rules, config, to + "attn.", "Q", from + "self_attn.q_proj", width, queries);
        linear(rules, config, to + "attn.", "K", from + "self_attn.k_proj", width, keys);
        linear(rules, config, to + "attn.", "V", from + "self_attn.v_proj", width, keys);
        linear(rules, config, to + "attn.", "O", from + "self_attn.o_proj", queries, width);
        rules.asIs(to + "ln2.w", names(from + "post_attention_layernorm.weight"), width);
        linear(rules, config, to + "mlp.", "gate", from + "mlp.gate_proj", width, config.dMlp());
        linear(rules, config, to + "mlp.", "in", from + "mlp.up_proj", width, config.dMlp());
        linear(rules, config, to + "mlp.", "out", from + "mlp.down_proj", config.dMlp(), width);
    }

    private static void linear(
            WeightMapping.Builder rules,
            TransformerConfig config,
            String scope,
            String matrix,
            String from,
            long in,
            long out) {
        rules.transposed(scope + "W_" + matrix, names(from + ".weight"), out, in);
        if (config.hasBias("b_" + matrix)) {
            rules.asIs(scope + "b_" + matrix, names(from + ".bias"), out);
        }
    }

    private static List<String> names(String name) {
        return new ArrayList<>(List.of("model." + name, name));
    }
}
