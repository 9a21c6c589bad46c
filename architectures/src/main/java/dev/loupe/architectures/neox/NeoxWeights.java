package dev.loupe.architectures.neox;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architecture.WeightMapping.Layout;
import dev.loupe.architectures.decoder.DecoderWeights;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/** Where GPT-NeoX's weights stand in a checkpoint, with the prefix {@code gpt_neox.} or, of the bare model, without. */
final class NeoxWeights {

    static final String TIED = "tie_word_embeddings";

    private NeoxWeights() {}

    static WeightMapping mapping(TransformerConfig config) {
        WeightMapping.Builder rules = WeightMapping.builder();
        long width = config.dModel();
        List<String> embedding = names("embed_in.weight");
        List<String> unembedding = new ArrayList<>(List.of("embed_out.weight", "lm_head.weight"));
        if (Boolean.TRUE.equals(config.extra().get(TIED))) {
            embedding.addAll(List.copyOf(unembedding));
            unembedding.addAll(names("embed_in.weight"));
        }
        rules.asIs(DecoderWeights.EMBEDDING, embedding, config.dVocab(), width);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            block(rules, config, layer);
        }
        rules.asIs(DecoderWeights.FINAL_NORM_WEIGHT, names("final_layer_norm.weight"), width);
        rules.asIs(DecoderWeights.FINAL_NORM_BIAS, names("final_layer_norm.bias"), width);
        rules.transposed(DecoderWeights.UNEMBEDDING, unembedding, config.dVocab(), width);
        return rules.ignore("(gpt_neox\\.)?layers\\.\\d+\\.attention\\.(bias|masked_bias|rotary_emb\\.inv_freq)")
                .build();
    }

    private static void block(WeightMapping.Builder rules, TransformerConfig config, int layer) {
        String from = "layers." + layer + ".";
        String to = DecoderWeights.inBlock(layer, "");
        norm(rules, to + "ln1", from + "input_layernorm", config.dModel());
        String[] parts = {"Q", "K", "V"};
        for (int part = 0; part < parts.length; part++) {
            interleaved(rules, config, to + "attn.", parts[part], from + "attention.query_key_value", part);
        }
        linear(rules, config, to + "attn.", "O", from + "attention.dense", config.dModel(), config.dModel());
        norm(rules, to + "ln2", from + "post_attention_layernorm", config.dModel());
        linear(rules, config, to + "mlp.", "in", from + "mlp.dense_h_to_4h", config.dModel(), config.dMlp());
        linear(rules, config, to + "mlp.", "out", from + "mlp.dense_4h_to_h", config.dMlp(), config.dModel());
    }

    /** One tensor {@code [3·d_model, d_model]} in which each head's queries, keys and values follow each other. */
    private static void interleaved(
            WeightMapping.Builder rules, TransformerConfig config, String scope, String name, String from, int part) {
        long width = config.dModel();
        long head = config.dHead();
        LongUnaryOperator stored = column -> column / head * 3 * head + part * head + column % head;
        List<String> sources = names(from + ".weight");
        rules.rule(scope + "W_" + name, sources, Layout.transposedRows(width, stored), 3 * width, width);
        if (config.hasBias("b_" + name)) {
            rules.rule(scope + "b_" + name, names(from + ".bias"), Layout.columns(width, stored), 3 * width);
        }
    }

    private static void linear(
            WeightMapping.Builder rules,
            TransformerConfig config,
            String scope,
            String name,
            String from,
            long in,
            long out) {
        rules.transposed(scope + "W_" + name, names(from + ".weight"), out, in);
        if (config.hasBias("b_" + name)) {
            rules.asIs(scope + "b_" + name, names(from + ".bias"), out);
        }
    }

    private static void norm(WeightMapping.Builder rules, String to, String from, long width) {
        rules.asIs(to + ".w", names(from + ".weight"), width);
        rules.asIs(to + ".b", names(from + ".bias"), width);
    }

    // The bare model is stored without the prefix.
    private static List<String> names(String name) {
        return new ArrayList<>(List.of("gpt_neox." + name, name));
    }
}
