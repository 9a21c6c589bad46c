package dev.loupe.architectures.neox;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.ActivationFunctions;
import dev.loupe.architectures.decoder.Causality;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.RotarySettings;
import dev.loupe.architectures.decoder.SpecialIds;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;
import org.apiguardian.api.API;

/** Black et al. 2022, Biderman et al. 2023 (Pythia); checkpoints of Hugging Face's {@code GPTNeoXForCausalLM}. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class NeoxArchitecture extends DecoderArchitecture {

    private static final List<String> PYTHIA =
            List.of("14m", "31m", "70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b");

    /** Made by the service loader. */
    public NeoxArchitecture() {
        super("gpt-neox", "GPTNeoXForCausalLM", "gpt_neox");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        Causality.require(config);
        int width = config.integer("hidden_size");
        int heads = config.integer("num_attention_heads");
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(config.source() + ": 'hidden_size' " + width
                    + " can't be divided among 'num_attention_heads' " + heads + " heads");
        }
        int vocabulary = config.integer("vocab_size");
        int positions = config.integer("max_position_embeddings", 2048);
        String activation = config.string("hidden_act", "gelu");
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
                .activation(ActivationFunctions.check(activation, config.source() + ": 'hidden_act'"))
                .parallelAttnMlp(config.bool("use_parallel_residual", true))
                .biases(biases(config))
                .bosId(SpecialIds.bos(config, 0, vocabulary))
                .eosIds(SpecialIds.eos(config, 2, vocabulary))
                .defaultPrependBos(false)
                .extra(NeoxWeights.TIED, config.bool("tie_word_embeddings", false));
        // What others call rope_theta and partial_rotary_factor has names of its own in older configs.
        CheckpointConfig spelled = config.withDefault("rope_theta", config.number("rotary_emb_base", 10_000))
                .withDefault("partial_rotary_factor", config.number("rotary_pct", 0.25));
        return RotarySettings.applyPartial(builder, spelled, width / heads, positions)
                .build();
    }

    /** 0, the powers of two up to 512, and every thousandth step up to 143,000: 154 checkpoints. */
    private static List<Long> trainingSteps() {
        return LongStream.concat(
                        LongStream.concat(
                                LongStream.of(0), LongStream.iterate(1, step -> step <= 512, step -> 2 * step)),
                        LongStream.rangeClosed(1, 143).map(thousand -> 1000 * thousand))
                .boxed()
                .toList();
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
    public List<PretrainedModel> pretrained() {
        List<PretrainedModel> models = new ArrayList<>();
        for (String size : PYTHIA) {
            for (String name : List.of("pythia-" + size, "pythia-" + size + "-deduped")) {
                models.add(new PretrainedModel(name, "EleutherAI/" + name, trainingSteps()));
            }
        }
        models.add(new PretrainedModel("gpt-neox-20b", "EleutherAI/gpt-neox-20b"));
        return models;
    }
}
