package dev.loupe.examples.neox;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.ActivationFunctions;
import dev.loupe.architectures.decoder.DecoderGraph;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.decoder.SpecialIds;
import dev.loupe.graph.Graph;
import dev.loupe.plugin.SpiVersion;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * GPT-NeoX (Black et al. 2022), checkpoints of Hugging Face's {@code GPTNeoXForCausalLM}: attention and MLP side by
 * side, a quarter of each head rotated, queries, keys and values interleaved in one tensor.
 */
@AutoService(ArchitectureProvider.class)
public final class NeoxArchitecture implements ArchitectureProvider {

    /** Made by the service loader. */
    public NeoxArchitecture() {}

    @Override
    public String id() {
        return "gpt-neox";
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public boolean accepts(CheckpointConfig config) {
        return config.modelType().equals("gpt_neox");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        int width = config.integer("hidden_size");
        int heads = config.integer("num_attention_heads");
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(config.source() + ": 'hidden_size' " + width
                    + " can't be divided among 'num_attention_heads' " + heads + " heads");
        }
        int vocabulary = config.integer("vocab_size");
        int positions = config.integer("max_position_embeddings");
        TransformerConfig.Builder builder = TransformerConfig.builder()
                .modelName(config.source())
                .architecture(id())
                .nLayers(config.integer("num_hidden_layers"))
                .dModel(width)
                .nHeads(heads)
                .dHead(width / heads)
                .dMlp(config.integer("intermediate_size"))
                .dVocab(vocabulary)
                .nCtx(positions)
                .eps(config.number("layer_norm_eps", 1e-5))
                .activation(ActivationFunctions.check(
                        config.string("hidden_act", "gelu"), config.source() + ": 'hidden_act'"))
                .parallelAttnMlp(config.bool("use_parallel_residual", true))
                .biases(biases(config))
                .bosId(SpecialIds.bos(config, 0, vocabulary))
                .eosIds(SpecialIds.eos(config, 2, vocabulary))
                .extra(NeoxWeights.TIED, config.bool("tie_word_embeddings", false));
        // What others call rope_theta and partial_rotary_factor has names of its own here.
        CheckpointConfig spelled = config.withDefault("rope_theta", config.number("rotary_emb_base", 10_000))
                .withDefault("partial_rotary_factor", config.number("rotary_pct", 0.25));
        return RotarySettings.apply(builder, spelled, width / heads, positions).build();
    }

    private static Set<String> biases(CheckpointConfig config) {
        Set<String> biases = new LinkedHashSet<>(List.of("b_in", "b_out"));
        if (config.bool("attention_bias", true)) {
            biases.addAll(List.of("b_Q", "b_K", "b_V", "b_O"));
        }
        return biases;
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return NeoxWeights.mapping(config);
    }

    @Override
    public Graph build(TransformerConfig config, GraphOptions options) {
        return DecoderGraph.build(config, options);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        return List.of(
                new PretrainedModel("pythia-14m", "EleutherAI/pythia-14m"),
                new PretrainedModel("pythia-70m", "EleutherAI/pythia-70m"),
                new PretrainedModel("pythia-160m", "EleutherAI/pythia-160m"),
                new PretrainedModel("pythia-410m", "EleutherAI/pythia-410m"));
    }
}
