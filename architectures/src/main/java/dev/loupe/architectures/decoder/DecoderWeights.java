package dev.loupe.architectures.decoder;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Names and shapes of the weights of a decoder's graph. Heads lie side by side in the columns of one matrix
 * (the rows, of {@code W_O}), so that all of them are one matrix product.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DecoderWeights {

    /** {@code [d_vocab, d_model]}. */
    public static final String EMBEDDING = "embed.W_E";
    /** {@code [n_ctx, d_model]}: learned positions. */
    public static final String POSITIONS = "pos_embed.W_pos";
    /** {@code [d_model]}: weight of the final norm. */
    public static final String FINAL_NORM_WEIGHT = "ln_final.w";
    /** {@code [d_model]}: bias of the final norm. */
    public static final String FINAL_NORM_BIAS = "ln_final.b";
    /** {@code [d_model, d_vocab]}. */
    public static final String UNEMBEDDING = "unembed.W_U";
    /** {@code [d_vocab]}. */
    public static final String UNEMBEDDING_BIAS = "unembed.b_U";

    private DecoderWeights() {}

    /** The name of a weight or hook point of a block: {@code blocks.3.attn.W_Q}. */
    public static String inBlock(int layer, String part) {
        return "blocks." + layer + "." + part;
    }

    /**
     * Every weight that the graph of such a model reads, with its shape: embeddings, then block by block, then
     * the unembedding. Biases are there if the config has them, the norms' parameters unless they are folded.
     */
    public static Map<String, Shape> shapes(TransformerConfig config) {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        int width = config.dModel();
        shapes.put(EMBEDDING, Shape.of(config.dVocab(), width));
        if (config.positions() == TransformerConfig.Positions.LEARNED) {
            shapes.put(POSITIONS, Shape.of(config.nCtx(), width));
        }
        for (int layer = 0; layer < config.nLayers(); layer++) {
            String block = inBlock(layer, "");
            BlockSpec spec = config.block(layer);
            if (spec.norms().before()) {
                norm(shapes, config, block + "ln1");
            }
            attention(shapes, config, block + "attn.");
            if (spec.queryKeyNorms()) {
                parameters(shapes, config, block + "attn.q_norm", config.dHead());
                parameters(shapes, config, block + "attn.k_norm", config.dHead());
            }
            if (spec.norms().after()) {
                parameters(shapes, config, block + "ln1_post", width);
            }
            if (spec.mlp() != BlockSpec.Mlp.NONE) {
                if (spec.norms().before()) {
                    norm(shapes, config, block + "ln2");
                }
                mlp(shapes, config, block + "mlp.", spec.mlp() == BlockSpec.Mlp.GATED);
                if (spec.norms().after()) {
                    parameters(shapes, config, block + "ln2_post", width);
                }
            }
        }
        norm(shapes, config, "ln_final");
        matrix(shapes, config, "unembed.", "U", width, config.dVocab());
        return shapes;
    }

    private static void norm(Map<String, Shape> shapes, TransformerConfig config, String prefix) {
        if (!config.normalization().folded()) {
            parameters(shapes, config, prefix, config.dModel());
        }
    }

    // Nothing but the norm itself reads what these norms give, so there is nothing to fold them into.
    private static void parameters(Map<String, Shape> shapes, TransformerConfig config, String prefix, int width) {
        shapes.put(prefix + ".w", Shape.of(width));
        if (config.normalization().centres()) {
            shapes.put(prefix + ".b", Shape.of(width));
        }
    }

    private static void attention(Map<String, Shape> shapes, TransformerConfig config, String prefix) {
        int queries = config.nHeads() * config.dHead();
        int keys = config.nKeyValueHeads() * config.dHead();
        matrix(shapes, config, prefix, "Q", config.dModel(), queries);
        matrix(shapes, config, prefix, "K", config.dModel(), keys);
        matrix(shapes, config, prefix, "V", config.dModel(), keys);
        matrix(shapes, config, prefix, "O", queries, config.dModel());
    }

    private static void mlp(Map<String, Shape> shapes, TransformerConfig config, String prefix, boolean gated) {
        if (gated) {
            matrix(shapes, config, prefix, "gate", config.dModel(), config.dMlp());
        }
        matrix(shapes, config, prefix, "in", config.dModel(), config.dMlp());
        matrix(shapes, config, prefix, "out", config.dMlp(), config.dModel());
    }

    private static void matrix(
            Map<String, Shape> shapes, TransformerConfig config, String prefix, String name, int rows, int columns) {
        shapes.put(prefix + "W_" + name, Shape.of(rows, columns));
        if (config.hasBias("b_" + name)) {
            shapes.put(prefix + "b_" + name, Shape.of(columns));
        }
    }
}
