package dev.loupe.architectures.llama;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.ActivationFunctions;
import dev.loupe.architectures.decoder.Causality;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.decoder.SpecialIds;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Checkpoints in the form of Hugging Face's {@code LlamaForCausalLM}: what its config says and what its tensors
 * are called. Many families keep to this form and differ in a setting or two.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class LlamaCheckpoints {

    private static final String TIED = "tie_word_embeddings";

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
        RotarySettings.requireOneKind(config);
        return configOfKinds(
                config, architecture, maxPositions, keyValueHeads, activation(config, "hidden_act", "silu"));
    }

    private static String activation(CheckpointConfig config, String key, String byDefault) {
        return ActivationFunctions.check(config.string(key, byDefault), config.source() + ": '" + key + "'");
    }

    private static TransformerConfig.Builder configOfKinds(
            CheckpointConfig config, String architecture, int maxPositions, int keyValueHeads, String activation) {
        Causality.require(config);
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
                .activation(activation)
                .gatedMlp(true)
                .biases(Set.of())
                .bosId(SpecialIds.bos(config, 1, vocabulary))
                .eosIds(SpecialIds.eos(config, 2, vocabulary))
                .extra(TIED, config.bool(TIED, false));
        return RotarySettings.apply(builder, config, headWidth, positions);
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

    /** What each block of a model is made of, given what the config's other settings make of it. */
    public interface BlockRule extends BiFunction<BlockSpec, Integer, BlockSpec> {}

    /**
     * Gemma's settings on top of {@link #config}: embeddings multiplied by the root of the width and tied, scores divided
     * by the root of {@code query_pre_attn_scalar}, BOS 2 in front, EOS 1. The activation function is {@code
     * hidden_activation}: a {@code hidden_act} beside it, which configs carry too, means nothing to these models.
     */
    public static TransformerConfig.Builder gemma(CheckpointConfig config, String architecture, int maxPositions) {
        int vocabulary = config.integer("vocab_size");
        CheckpointConfig tied = config.withDefault(TIED, true);
        double scalar = tied.number("query_pre_attn_scalar", 256);
        if (!(scalar > 0) || Double.isInfinite(scalar)) {
            throw new IllegalArgumentException(
                    config.source() + ": 'query_pre_attn_scalar' should be a positive number, found " + scalar);
        }
        return configOfKinds(
                        tied, architecture, maxPositions, 4, activation(tied, "hidden_activation", "gelu_pytorch_tanh"))
                .embeddingScale(Math.sqrt(config.integer("hidden_size")))
                .attnScale(Math.sqrt(scalar))
                .bosId(SpecialIds.bos(config, 2, vocabulary))
                .eosIds(SpecialIds.eos(config, 1, vocabulary));
    }

    /**
     * A window: the family's own where the key is missing, none where it is null.
     *
     * @throws IllegalArgumentException if it isn't at least 1
     */
    public static @Nullable Integer window(CheckpointConfig config, String key, int byDefault) {
        if (config.keys().contains(key) && !config.has(key)) {
            return null;
        }
        int window = config.integer(key, byDefault);
        if (window < 1) {
            throw new IllegalArgumentException(
                    config.source() + ": '" + key + "' should be at least 1, found " + window);
        }
        return window;
    }

    /**
     * A soft cap: the family's own where the key is missing, none where it is null.
     *
     * @throws IllegalArgumentException if it isn't positive
     */
    public static @Nullable Double softCap(CheckpointConfig config, String key, @Nullable Double byDefault) {
        if (!config.has(key)) {
            return config.keys().contains(key) ? null : byDefault;
        }
        double cap = config.number(key);
        if (!(cap > 0) || Double.isInfinite(cap)) {
            throw new IllegalArgumentException(
                    config.source() + ": '" + key + "' should be a positive number, found " + cap);
        }
        return cap;
    }

    /** Which layers slide, from {@code layer_types}; what the family does by itself where that is missing. */
    public static IntPredicate sliding(CheckpointConfig config, IntPredicate byDefault) {
        if (!config.has("layer_types")) {
            return byDefault;
        }
        if (!(config.raw("layer_types") instanceof List<?> kinds)) {
            throw new IllegalArgumentException(
                    config.source() + ": 'layer_types' should be a list, found " + config.raw("layer_types"));
        }
        for (Object kind : kinds) {
            if (!"sliding_attention".equals(kind) && !"full_attention".equals(kind)) {
                throw new IllegalArgumentException(config.source() + ": 'layer_types' has '" + kind
                        + "'; known are sliding_attention and full_attention");
            }
        }
        int layers = config.integer("num_hidden_layers");
        if (kinds.size() < layers) {
            throw new IllegalArgumentException(config.source() + ": 'layer_types' tells the kinds of " + kinds.size()
                    + " layers, 'num_hidden_layers' is " + layers);
        }
        return layer -> "sliding_attention".equals(kinds.get(layer));
    }

    /**
     * The weights' places: the names of {@code LlamaForCausalLM}, with the prefix {@code model.} or, from the
     * bare model, without; the text part of a multimodal checkpoint too. Biases are read where the config has them,
     * norms where its blocks do.
     */
    public static WeightMapping weights(TransformerConfig config) {
        return weights(config, 0);
    }

    /**
     * As {@link #weights(TransformerConfig)}, of a family whose norms store something else than their weights.
     *
     * @param normOffset what is added to the stored weights of norms: 1 where they are stored as their distance from 1
     */
    public static WeightMapping weights(TransformerConfig config, double normOffset) {
        WeightMapping.Builder rules = WeightMapping.builder();
        long width = config.dModel();
        List<String> embedding = names("embed_tokens.weight");
        List<String> unembedding = new ArrayList<>(List.of("lm_head.weight", "language_model.lm_head.weight"));
        if (Boolean.TRUE.equals(config.extra().get(TIED))) {
            unembedding.addAll(embedding);
            embedding.add("lm_head.weight");
        }
        rules.asIs(DecoderWeights.EMBEDDING, embedding, config.dVocab(), width).scaled(config.embeddingScale(), 0);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            block(rules, config, layer, normOffset);
        }
        norm(rules, DecoderWeights.FINAL_NORM_WEIGHT, "norm", width, normOffset);
        rules.transposed(DecoderWeights.UNEMBEDDING, unembedding, config.dVocab(), width);
        return rules.ignore("(.*\\.)?rotary_emb(_local)?\\.inv_freq")
                .ignore("(model\\.)?(vision_tower|multi_modal_projector)\\..*")
                .build();
    }

    private static void block(WeightMapping.Builder rules, TransformerConfig config, int layer, double normOffset) {
        BlockSpec spec = config.block(layer);
        String from = "layers." + layer + ".";
        String to = DecoderWeights.inBlock(layer, "");
        long width = config.dModel();
        long queries = (long) config.nHeads() * config.dHead();
        long keys = (long) config.nKeyValueHeads() * config.dHead();
        norm(rules, to + "ln1.w", from + "input_layernorm", width, normOffset);
        if (spec.queryKeyNorms()) {
            norm(rules, to + "attn.q_norm.w", from + "self_attn.q_norm", config.dHead(), normOffset);
            norm(rules, to + "attn.k_norm.w", from + "self_attn.k_norm", config.dHead(), normOffset);
        }
        linear(rules, config, to + "attn.", "Q", from + "self_attn.q_proj", width, queries);
        linear(rules, config, to + "attn.", "K", from + "self_attn.k_proj", width, keys);
        linear(rules, config, to + "attn.", "V", from + "self_attn.v_proj", width, keys);
        linear(rules, config, to + "attn.", "O", from + "self_attn.o_proj", queries, width);
        if (spec.norms().after()) {
            norm(rules, to + "ln1_post.w", from + "post_attention_layernorm", width, normOffset);
            norm(rules, to + "ln2.w", from + "pre_feedforward_layernorm", width, normOffset);
            norm(rules, to + "ln2_post.w", from + "post_feedforward_layernorm", width, normOffset);
        } else {
            norm(rules, to + "ln2.w", from + "post_attention_layernorm", width, normOffset);
        }
        linear(rules, config, to + "mlp.", "gate", from + "mlp.gate_proj", width, config.dMlp());
        linear(rules, config, to + "mlp.", "in", from + "mlp.up_proj", width, config.dMlp());
        linear(rules, config, to + "mlp.", "out", from + "mlp.down_proj", config.dMlp(), width);
    }

    private static void norm(WeightMapping.Builder rules, String to, String from, long width, double offset) {
        rules.asIs(to, names(from + ".weight"), width).scaled(1, offset);
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
        return new ArrayList<>(
                List.of("model." + name, name, "language_model.model." + name, "model.language_model." + name));
    }
}
