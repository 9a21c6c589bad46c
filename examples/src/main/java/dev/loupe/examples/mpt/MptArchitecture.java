package dev.loupe.examples.mpt;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Positions;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architecture.WeightMapping.Layout;
import dev.loupe.architectures.decoder.BlockPart;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.DecoderGraph;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.architectures.decoder.SpecialIds;
import java.util.List;
import java.util.Set;

/** MosaicML 2023; checkpoints of Hugging Face's {@code MptForCausalLM}. */
@AutoService(ArchitectureProvider.class)
public final class MptArchitecture extends DecoderArchitecture {

    /** What {@code alibi_bias_max} is in every released model. */
    private static final double STEEPEST = 8;

    private static final String BIAS_MAX = "alibi_bias_max";

    /** Made by the service loader. */
    public MptArchitecture() {
        super("mpt", "MptForCausalLM", "mpt");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        int width = config.integer("d_model");
        int heads = config.integer("n_heads");
        int vocabulary = config.integer("vocab_size");
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(
                    config.source() + ": 'd_model' " + width + " can't be divided among 'n_heads' " + heads + " heads");
        }
        CheckpointConfig attention = config.object("attn_config");
        requireKnown(config, attention);
        double scale = attention.number("softmax_scale", 1 / Math.sqrt((double) width / heads));
        if (!(scale > 0)) {
            throw new IllegalArgumentException(
                    attention.source() + ": 'softmax_scale' should be positive, found " + scale);
        }
        return TransformerConfig.builder()
                .modelName(config.source())
                .architecture(id())
                .nLayers(config.integer("n_layers"))
                .dModel(width)
                .nHeads(heads)
                .dHead(width / heads)
                .dMlp(width * config.integer("expansion_ratio", 4))
                .dVocab(vocabulary)
                .nCtx(config.integer("max_seq_len", 2048))
                .eps(config.number("layer_norm_epsilon", 1e-5))
                .activation("gelu")
                .attnScale(1 / scale)
                .positions(Positions.NONE)
                .biases(Set.of())
                .bosId(SpecialIds.bos(config, SpecialIds.NONE, vocabulary))
                .eosIds(SpecialIds.eos(config, SpecialIds.NONE, vocabulary))
                .defaultPrependBos(false)
                .extra(BIAS_MAX, attention.number(BIAS_MAX, STEEPEST))
                .build();
    }

    /** A setting that this class doesn't follow is an error, never silence. */
    private static void requireKnown(CheckpointConfig config, CheckpointConfig attention) {
        if (!config.bool("no_bias", true)) {
            throw new IllegalArgumentException(config.source() + ": 'no_bias' is false: biases are not known of MPT");
        }
        if (!attention.bool("alibi", true)) {
            throw new IllegalArgumentException(
                    attention.source() + ": 'alibi' is false: learned positions are not known of MPT");
        }
        if (attention.has("clip_qkv") && attention.number("clip_qkv") != 0) {
            throw new IllegalArgumentException(attention.source() + ": 'clip_qkv' is " + attention.raw("clip_qkv")
                    + ": clipped queries, keys and values are not known");
        }
        if (attention.bool("qk_ln", false)) {
            throw new IllegalArgumentException(attention.source() + ": 'qk_ln' is true: its norms are not known");
        }
    }

    /** The one part that MPT brings itself. */
    @Override
    protected BlockPart attention() {
        return (parts, layer, residual) -> {
            double steepest = (Double) parts.config().extra().getOrDefault(BIAS_MAX, STEEPEST);
            return DecoderGraph.attention(new AlibiBias(steepest)).build(parts, layer, residual);
        };
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        WeightMapping.Builder rules = WeightMapping.builder();
        long width = config.dModel();
        List<String> embedding = List.of("transformer.wte.weight", "lm_head.weight");
        rules.asIs(DecoderWeights.EMBEDDING, embedding, config.dVocab(), width);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            String from = "transformer.blocks." + layer + ".";
            String to = DecoderWeights.inBlock(layer, "");
            norm(rules, to + "ln1", from + "norm_1", width);
            String[] parts = {"Q", "K", "V"};
            for (int part = 0; part < parts.length; part++) {
                long first = part * width;
                Layout rows = Layout.transposedRows(width, column -> first + column);
                rules.rule(to + "attn.W_" + parts[part], List.of(from + "attn.Wqkv.weight"), rows, 3 * width, width);
            }
            rules.transposed(to + "attn.W_O", List.of(from + "attn.out_proj.weight"), width, width);
            norm(rules, to + "ln2", from + "norm_2", width);
            rules.transposed(to + "mlp.W_in", List.of(from + "ffn.up_proj.weight"), config.dMlp(), width);
            rules.transposed(to + "mlp.W_out", List.of(from + "ffn.down_proj.weight"), width, config.dMlp());
        }
        norm(rules, "ln_final", "transformer.norm_f", width);
        List<String> unembedding = List.of("lm_head.weight", "transformer.wte.weight");
        rules.transposed(DecoderWeights.UNEMBEDDING, unembedding, config.dVocab(), width);
        return rules.build();
    }

    // MPT's norms have no biases: zeros, as many as there are weights.
    private static void norm(WeightMapping.Builder rules, String to, String from, long width) {
        rules.asIs(to + ".w", List.of(from + ".weight"), width);
        rules.asIs(to + ".b", List.of(from + ".weight"), width).scaled(0, 0);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        return List.of(
                new PretrainedModel("mpt-7b", "mosaicml/mpt-7b"),
                new PretrainedModel("mpt-7b-instruct", "mosaicml/mpt-7b-instruct"));
    }
}
