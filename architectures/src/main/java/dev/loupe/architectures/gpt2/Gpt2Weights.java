package dev.loupe.architectures.gpt2;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architecture.WeightMapping.Layout;
import dev.loupe.architectures.decoder.DecoderWeights;
import java.util.ArrayList;
import java.util.List;

/**
 * Where GPT-2's weights stand in a checkpoint. Its matrices are stored as they multiply, {@code [in, out]};
 * queries, keys and values lie side by side in one of them. Names come with the prefix {@code transformer.}
 * or, from the bare model, without.
 */
final class Gpt2Weights {

    static final String TIED = "tie_word_embeddings";

    private Gpt2Weights() {}

    static WeightMapping mapping(TransformerConfig config) {
        WeightMapping.Builder rules = WeightMapping.builder();
        long width = config.dModel();
        boolean tied = Boolean.TRUE.equals(config.extra().get(TIED));
        List<String> embedding = names("wte.weight");
        List<String> unembedding = new ArrayList<>(List.of("lm_head.weight"));
        if (tied) {
            unembedding.addAll(embedding);
            embedding.add("lm_head.weight");
        }
        rules.asIs(DecoderWeights.EMBEDDING, embedding, config.dVocab(), width);
        rules.asIs(DecoderWeights.POSITIONS, names("wpe.weight"), config.nCtx(), width);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            block(rules, config, layer);
        }
        rules.asIs(DecoderWeights.FINAL_NORM_WEIGHT, names("ln_f.weight"), width);
        rules.asIs(DecoderWeights.FINAL_NORM_BIAS, names("ln_f.bias"), width);
        rules.transposed(DecoderWeights.UNEMBEDDING, unembedding, config.dVocab(), width);
        return rules.ignore("(transformer\\.)?h\\.\\d+\\.attn\\.(bias|masked_bias)")
                .build();
    }

    private static void block(WeightMapping.Builder rules, TransformerConfig config, int layer) {
        String from = "h." + layer + ".";
        String to = DecoderWeights.inBlock(layer, "");
        long width = config.dModel();
        rules.asIs(to + "ln1.w", names(from + "ln_1.weight"), width);
        rules.asIs(to + "ln1.b", names(from + "ln_1.bias"), width);
        String[] parts = {"Q", "K", "V"};
        for (int part = 0; part < parts.length; part++) {
            Layout columns = Layout.columns(part * width, width);
            rules.rule(to + "attn.W_" + parts[part], names(from + "attn.c_attn.weight"), columns, width, 3 * width);
            rules.rule(to + "attn.b_" + parts[part], names(from + "attn.c_attn.bias"), columns, 3 * width);
        }
        rules.asIs(to + "attn.W_O", names(from + "attn.c_proj.weight"), width, width);
        rules.asIs(to + "attn.b_O", names(from + "attn.c_proj.bias"), width);
        rules.asIs(to + "ln2.w", names(from + "ln_2.weight"), width);
        rules.asIs(to + "ln2.b", names(from + "ln_2.bias"), width);
        rules.asIs(to + "mlp.W_in", names(from + "mlp.c_fc.weight"), width, config.dMlp());
        rules.asIs(to + "mlp.b_in", names(from + "mlp.c_fc.bias"), config.dMlp());
        rules.asIs(to + "mlp.W_out", names(from + "mlp.c_proj.weight"), config.dMlp(), width);
        rules.asIs(to + "mlp.b_out", names(from + "mlp.c_proj.bias"), width);
    }

    private static List<String> names(String name) {
        return new ArrayList<>(List.of("transformer." + name, name));
    }
}
