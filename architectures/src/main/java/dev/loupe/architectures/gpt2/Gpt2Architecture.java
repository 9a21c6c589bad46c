package dev.loupe.architectures.gpt2;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.ActivationFunctions;
import dev.loupe.architectures.decoder.Causality;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.decoder.SpecialIds;
import java.util.List;
import org.apiguardian.api.API;

/** Radford et al. 2019; checkpoints of Hugging Face's {@code GPT2LMHeadModel}. */
@AutoService(ArchitectureProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Gpt2Architecture extends DecoderArchitecture {

    private static final int END_OF_TEXT = 50256;

    /** Made by the service loader. */
    public Gpt2Architecture() {
        super("gpt2", "GPT2LMHeadModel", "gpt2");
    }

    @Override
    public TransformerConfig configure(CheckpointConfig config) {
        Causality.require(config);
        int width = config.integer("n_embd");
        int heads = config.integer("n_head");
        int vocabulary = config.integer("vocab_size");
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(
                    config.source() + ": 'n_embd' " + width + " can't be divided among 'n_head' " + heads + " heads");
        }
        String activation = config.string("activation_function", "gelu_new");
        return TransformerConfig.builder()
                .modelName(config.source())
                .architecture(id())
                .nLayers(config.integer("n_layer"))
                .dModel(width)
                .nHeads(heads)
                .dHead(width / heads)
                .dMlp(config.integer("n_inner", 4 * width))
                .dVocab(vocabulary)
                .nCtx(config.integer("n_positions", config.integer("n_ctx", 1024)))
                .eps(config.number("layer_norm_epsilon", 1e-5))
                .activation(ActivationFunctions.check(activation, config.source() + ": 'activation_function'"))
                .attnScale(config.bool("scale_attn_weights", true) ? Math.sqrt((double) width / heads) : 1)
                .scaleAttnByInverseLayerIdx(config.bool("scale_attn_by_inverse_layer_idx", false))
                .bosId(SpecialIds.bos(config, END_OF_TEXT, vocabulary))
                .eosIds(SpecialIds.eos(config, END_OF_TEXT, vocabulary))
                .extra(Gpt2Weights.TIED, config.bool("tie_word_embeddings", true))
                .build();
    }

    @Override
    public WeightMapping weights(TransformerConfig config) {
        return Gpt2Weights.mapping(config);
    }

    @Override
    public List<PretrainedModel> pretrained() {
        return List.of(
                new PretrainedModel("gpt2", "openai-community/gpt2"),
                new PretrainedModel("gpt2-small", "openai-community/gpt2"),
                new PretrainedModel("gpt2-medium", "openai-community/gpt2-medium"),
                new PretrainedModel("gpt2-large", "openai-community/gpt2-large"),
                new PretrainedModel("gpt2-xl", "openai-community/gpt2-xl"),
                new PretrainedModel("distilgpt2", "distilbert/distilgpt2"));
    }
}
