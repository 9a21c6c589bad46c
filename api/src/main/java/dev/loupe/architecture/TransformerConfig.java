package dev.loupe.architecture;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * The shape and the choices of one decoder-only transformer. Names follow the original's {@code
 * HookedTransformerConfig}. Make one with {@link #builder()}.
 *
 * <p>What differs from layer to layer stands in {@link #block}; where all layers agree, the accessors of the config
 * tell it too.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class TransformerConfig {

    private final String modelName;
    private final String architecture;
    private final int nLayers;
    private final int dModel;
    private final int nHeads;
    private final int nKeyValueHeads;
    private final int dHead;
    private final int dMlp;
    private final int dVocab;
    private final int nCtx;
    private final Normalization normalization;
    private final double eps;
    private final String activation;
    private final boolean gatedMlp;
    private final Positions positions;
    private final @Nullable Rotary rotary;
    private final @Nullable Integer slidingWindow;
    private final boolean scaleAttnByInverseLayerIdx;
    private final double attnScale;
    private final boolean parallelAttnMlp;
    private final Set<String> biases;
    private final @Nullable Long bosId;
    private final Set<Long> eosIds;
    private final boolean defaultPrependBos;
    private final Map<String, Object> extra;
    private final double embeddingScale;
    private final @Nullable Double logitSoftCap;
    private final List<BlockSpec> blocks;
    private final BiFunction<BlockSpec, Integer, BlockSpec> blockRule;

    private TransformerConfig(Builder b) {
        this.modelName = b.modelName;
        this.architecture = b.architecture;
        this.nLayers = b.nLayers;
        this.dModel = b.dModel;
        this.nHeads = b.nHeads;
        this.nKeyValueHeads = b.nKeyValueHeads == 0 ? b.nHeads : b.nKeyValueHeads;
        this.dHead = b.dHead == 0 && b.nHeads > 0 ? b.dModel / b.nHeads : b.dHead;
        this.dMlp = b.dMlp < 0 ? 4 * b.dModel : b.dMlp;
        this.dVocab = b.dVocab;
        this.nCtx = b.nCtx;
        this.normalization = b.normalization;
        this.eps = b.eps;
        this.activation = b.activation;
        this.gatedMlp = b.gatedMlp;
        this.positions = b.positions;
        this.rotary = b.rotary;
        this.slidingWindow = b.slidingWindow;
        this.scaleAttnByInverseLayerIdx = b.scaleAttnByInverseLayerIdx;
        this.attnScale = b.attnScale == 0 ? Math.sqrt(dHead) : b.attnScale;
        this.parallelAttnMlp = b.parallelAttnMlp;
        this.biases = Set.copyOf(b.biases);
        this.bosId = b.bosId;
        this.eosIds = Set.copyOf(b.eosIds);
        this.defaultPrependBos = b.defaultPrependBos;
        this.extra = Map.copyOf(b.extra);
        this.embeddingScale = b.embeddingScale;
        this.logitSoftCap = b.logitSoftCap;
        this.blockRule = b.blocks;
        checkSizes();
        this.blocks = blocks(b);
    }

    private void checkSizes() {
        if (nLayers < 0 || dModel < 1 || nHeads < 1 || dHead < 1 || dMlp < 0 || dVocab < 1 || nCtx < 1) {
            throw new IllegalArgumentException("Sizes of '" + modelName + "' must be positive: n_layers " + nLayers
                    + ", d_model " + dModel + ", n_heads " + nHeads + ", d_head " + dHead + ", d_mlp " + dMlp
                    + ", d_vocab " + dVocab + ", n_ctx " + nCtx);
        }
        if (nKeyValueHeads < 1 || nHeads % nKeyValueHeads != 0) {
            throw new IllegalArgumentException("n_key_value_heads must divide n_heads in '" + modelName + "': "
                    + nKeyValueHeads + " and " + nHeads);
        }
        if ((positions == Positions.ROTARY) != (rotary != null)) {
            throw new IllegalArgumentException(
                    "Rotary settings go with rotary positions in '" + modelName + "': " + positions);
        }
        if (slidingWindow != null && slidingWindow < 1) {
            throw new IllegalArgumentException("A sliding window is at least 1, got " + slidingWindow);
        }
    }

    private List<BlockSpec> blocks(Builder b) {
        BlockSpec plain = new BlockSpec(
                slidingWindow,
                rotary,
                attnScale,
                null,
                false,
                BlockSpec.Norms.BEFORE,
                parallelAttnMlp,
                dMlp == 0 ? BlockSpec.Mlp.NONE : gatedMlp ? BlockSpec.Mlp.GATED : BlockSpec.Mlp.PLAIN);
        List<BlockSpec> specs = new ArrayList<>();
        for (int layer = 0; layer < nLayers; layer++) {
            double scale = scaleAttnByInverseLayerIdx ? attnScale * (layer + 1) : attnScale;
            specs.add(b.blocks.apply(plain.withAttnScale(scale), layer));
        }
        return List.copyOf(specs);
    }

    /**
     * What a block is made of.
     *
     * @param layer from 0
     * @throws IndexOutOfBoundsException if there is no such layer
     */
    public BlockSpec block(int layer) {
        return blocks.get(layer);
    }

    /** What the model is called, for messages. */
    public String modelName() {
        return modelName;
    }

    /** Id of the architecture provider that builds the graph. */
    public String architecture() {
        return architecture;
    }

    /** Number of blocks. */
    public int nLayers() {
        return nLayers;
    }

    /** Width of the residual stream. */
    public int dModel() {
        return dModel;
    }

    /** Query heads in a block. */
    public int nHeads() {
        return nHeads;
    }

    /** Key/value heads; a divisor of nHeads, equal to it where heads aren't grouped. */
    public int nKeyValueHeads() {
        return nKeyValueHeads;
    }

    /** Width of a head. */
    public int dHead() {
        return dHead;
    }

    /** Width of the MLP. */
    public int dMlp() {
        return dMlp;
    }

    /** Number of tokens. */
    public int dVocab() {
        return dVocab;
    }

    /** Longest context in tokens. */
    public int nCtx() {
        return nCtx;
    }

    /** Kind of norm before attention, MLP and unembedding. */
    public Normalization normalization() {
        return normalization;
    }

    /** Added to the variance (or mean square) in norms. */
    public double eps() {
        return eps;
    }

    /** Activation function in the MLP, Hugging Face's name: {@code gelu_new}, {@code silu}, …. */
    public String activation() {
        return activation;
    }

    /** Whether the MLP has a gate. */
    public boolean gatedMlp() {
        return gatedMlp;
    }

    /** How positions enter. */
    public Positions positions() {
        return positions;
    }

    /** Rotary settings, if positions are rotary. */
    public @Nullable Rotary rotary() {
        return rotary;
    }

    /** How many positions back a query sees, itself included; null for all. */
    public @Nullable Integer slidingWindow() {
        return slidingWindow;
    }

    /** Whether scores are divided by (layer + 1) as well. */
    public boolean scaleAttnByInverseLayerIdx() {
        return scaleAttnByInverseLayerIdx;
    }

    /** What scores are divided by, usually sqrt(dHead). */
    public double attnScale() {
        return attnScale;
    }

    /** Whether attention and MLP read the same residual. */
    public boolean parallelAttnMlp() {
        return parallelAttnMlp;
    }

    /** Short names of the biases that exist: {@code b_Q}, {@code b_K}, {@code b_V}, {@code b_O}, {@code b_in}, {@code b_out}, {@code b_gate}, {@code b_U}. */
    public Set<String> biases() {
        return biases;
    }

    /** Begin-of-sequence id, or null. */
    public @Nullable Long bosId() {
        return bosId;
    }

    /** End-of-sequence ids; may be empty. */
    public Set<Long> eosIds() {
        return eosIds;
    }

    /** Whether text gets a BOS in front unless a call says otherwise. */
    public boolean defaultPrependBos() {
        return defaultPrependBos;
    }

    /** What only one architecture knows, by name. */
    public Map<String, Object> extra() {
        return extra;
    }

    /** What token embeddings were multiplied by, for those who read the weights: 1 in most families. */
    public double embeddingScale() {
        return embeddingScale;
    }

    /** Logits x become {@code cap·tanh(x/cap)} behind {@code unembed.hook_out}; null for none. */
    public @Nullable Double logitSoftCap() {
        return logitSoftCap;
    }

    /** What each block is made of, one for each layer. */
    public List<BlockSpec> blocks() {
        return blocks;
    }

    /** Kinds of normalisation; the {@code _PRE} ones have their weights folded into what reads them. */
    public enum Normalization {
        /** Layer norm with weight and bias. */
        LN,
        /** Layer norm without parameters. */
        LN_PRE,
        /** Root-mean-square norm with weight. */
        RMS,
        /** Root-mean-square norm without parameters. */
        RMS_PRE;

        /** Whether the mean is subtracted. */
        public boolean centres() {
            return this == LN || this == LN_PRE;
        }

        /** Whether there are no parameters left. */
        public boolean folded() {
            return this == LN_PRE || this == RMS_PRE;
        }

        /** The same norm with its parameters folded away. */
        public Normalization fold() {
            return centres() ? LN_PRE : RMS_PRE;
        }
    }

    /** How positions enter a model. */
    public enum Positions {
        /** A learned embedding is added to the token's. */
        LEARNED,
        /** Queries and keys are rotated. */
        ROTARY,
        /** Not at all. */
        NONE
    }

    /**
     * Rotary settings.
     *
     * @param dims how many entries of a head are rotated, an even number
     * @param inverseFrequencies radians per position of each pair of entries, scaling included; dims/2 of them
     * @param attentionScaling factor on cosine and sine, 1 but in yarn
     */
    @SuppressWarnings("ArrayRecordComponent") // copied on the way in and out, compared by content below
    public record Rotary(int dims, double[] inverseFrequencies, double attentionScaling) {

        /** Checks the number of frequencies. */
        public Rotary {
            if (dims % 2 != 0 || inverseFrequencies.length != dims / 2) {
                throw new IllegalArgumentException("Rotary needs dims/2 frequencies; got " + dims + " dims and "
                        + inverseFrequencies.length + " frequencies");
            }
            inverseFrequencies = inverseFrequencies.clone();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Rotary rotary
                    && dims == rotary.dims
                    && attentionScaling == rotary.attentionScaling
                    && Arrays.equals(inverseFrequencies, rotary.inverseFrequencies);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(inverseFrequencies) * 31 + dims;
        }

        @Override
        public double[] inverseFrequencies() {
            return inverseFrequencies.clone();
        }
    }

    /** Whether the model has this bias: {@code b_Q}, {@code b_out}, … */
    public boolean hasBias(String shortName) {
        return biases.contains(shortName);
    }

    private List<Object> all() {
        return Arrays.asList(
                modelName,
                architecture,
                nLayers,
                dModel,
                nHeads,
                nKeyValueHeads,
                dHead,
                dMlp,
                dVocab,
                nCtx,
                normalization,
                eps,
                activation,
                gatedMlp,
                positions,
                rotary,
                slidingWindow,
                scaleAttnByInverseLayerIdx,
                attnScale,
                parallelAttnMlp,
                biases,
                bosId,
                eosIds,
                defaultPrependBos,
                extra,
                embeddingScale,
                logitSoftCap,
                blocks);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TransformerConfig config && all().equals(config.all());
    }

    @Override
    public int hashCode() {
        return all().hashCode();
    }

    /** The name and the sizes, for messages. */
    @Override
    public String toString() {
        return "TransformerConfig[" + modelName + ": " + architecture + ", n_layers " + nLayers + ", d_model " + dModel
                + ", n_heads " + nHeads + ", d_vocab " + dVocab + ", n_ctx " + nCtx + "]";
    }

    /** A builder with nothing set but the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The number of parameters as the original counts it ({@code cfg.n_params}): the matrices of attention and MLPs alone,
     * without embeddings, biases and norms, and with as many key and value heads as query heads. {@code
     * HookedTransformer.parameterCount()} is the plain count.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public long nParams() {
        long attention = 4L * dModel * dHead * nHeads;
        long count = 0;
        for (int layer = 0; layer < nLayers; layer++) {
            long matrices = switch (block(layer).mlp()) {
                case PLAIN -> 2;
                case GATED -> 3;
                case NONE -> 0;
            };
            count += attention + matrices * dModel * dMlp;
        }
        return count;
    }

    /** A builder that starts from this config. */
    public Builder toBuilder() {
        Builder b = new Builder();
        b.modelName = modelName;
        b.architecture = architecture;
        b.nLayers = nLayers;
        b.dModel = dModel;
        b.nHeads = nHeads;
        b.nKeyValueHeads = nKeyValueHeads;
        b.dHead = dHead;
        b.dMlp = dMlp;
        b.dVocab = dVocab;
        b.nCtx = nCtx;
        b.normalization = normalization;
        b.eps = eps;
        b.activation = activation;
        b.gatedMlp = gatedMlp;
        b.positions = positions;
        b.rotary = rotary;
        b.slidingWindow = slidingWindow;
        b.scaleAttnByInverseLayerIdx = scaleAttnByInverseLayerIdx;
        b.attnScale = attnScale;
        b.parallelAttnMlp = parallelAttnMlp;
        b.biases = biases;
        b.bosId = bosId;
        b.eosIds = eosIds;
        b.defaultPrependBos = defaultPrependBos;
        b.extra.putAll(extra);
        b.embeddingScale = embeddingScale;
        b.logitSoftCap = logitSoftCap;
        b.blocks = blockRule;
        return b;
    }

    /** Collects the settings of a config. Sizes must be set; the rest has GPT-2's values as defaults. */
    public static final class Builder {
        private String modelName = "unnamed";
        private String architecture = "gpt2";
        private int nLayers;
        private int dModel;
        private int nHeads;
        private int nKeyValueHeads;
        private int dHead;
        private int dMlp = -1;
        private int dVocab;
        private int nCtx;
        private Normalization normalization = Normalization.LN;
        private double eps = 1e-5;
        private String activation = "gelu_new";
        private boolean gatedMlp;
        private Positions positions = Positions.LEARNED;
        private @Nullable Rotary rotary;
        private @Nullable Integer slidingWindow;
        private boolean scaleAttnByInverseLayerIdx;
        private double attnScale;
        private boolean parallelAttnMlp;
        private Set<String> biases = Set.of("b_Q", "b_K", "b_V", "b_O", "b_in", "b_out");
        private @Nullable Long bosId;
        private Set<Long> eosIds = Set.of();
        private boolean defaultPrependBos = true;
        private final Map<String, Object> extra = new LinkedHashMap<>();
        private double embeddingScale = 1;
        private @Nullable Double logitSoftCap;
        private BiFunction<BlockSpec, Integer, BlockSpec> blocks = (plain, layer) -> plain;

        private Builder() {}

        /** Name for messages. */
        public Builder modelName(String value) {
            modelName = value;
            return this;
        }

        /** Id of the architecture provider. */
        public Builder architecture(String value) {
            architecture = value;
            return this;
        }

        /** Number of blocks. */
        public Builder nLayers(int value) {
            nLayers = value;
            return this;
        }

        /** Width of the residual stream. */
        public Builder dModel(int value) {
            dModel = value;
            return this;
        }

        /** Query heads in a block. */
        public Builder nHeads(int value) {
            nHeads = value;
            return this;
        }

        /** Key/value heads; nHeads unless set. */
        public Builder nKeyValueHeads(int value) {
            nKeyValueHeads = value;
            return this;
        }

        /** Width of a head; dModel/nHeads unless set. */
        public Builder dHead(int value) {
            dHead = value;
            return this;
        }

        /** Width of the MLP; 4·dModel unless set. */
        public Builder dMlp(int value) {
            dMlp = value;
            return this;
        }

        /** Number of tokens. */
        public Builder dVocab(int value) {
            dVocab = value;
            return this;
        }

        /** Longest context. */
        public Builder nCtx(int value) {
            nCtx = value;
            return this;
        }

        /** Kind of norm. */
        public Builder normalization(Normalization value) {
            normalization = value;
            return this;
        }

        /** Added to the variance. */
        public Builder eps(double value) {
            eps = value;
            return this;
        }

        /** Activation function, Hugging Face's name. */
        public Builder activation(String value) {
            activation = value;
            return this;
        }

        /** Whether the MLP is gated. */
        public Builder gatedMlp(boolean value) {
            gatedMlp = value;
            return this;
        }

        /** How positions enter; {@link #rotary} sets ROTARY by itself. */
        public Builder positions(Positions value) {
            positions = value;
            if (value != Positions.ROTARY) {
                rotary = null;
            }
            return this;
        }

        /** Rotary positions with these settings. */
        public Builder rotary(Rotary value) {
            rotary = value;
            positions = Positions.ROTARY;
            return this;
        }

        /** Sliding window; null for none. */
        public Builder slidingWindow(@Nullable Integer value) {
            slidingWindow = value;
            return this;
        }

        /** Whether scores are divided by (layer + 1) as well. */
        public Builder scaleAttnByInverseLayerIdx(boolean value) {
            scaleAttnByInverseLayerIdx = value;
            return this;
        }

        /** What scores are divided by; sqrt(dHead) unless set. */
        public Builder attnScale(double value) {
            attnScale = value;
            return this;
        }

        /** Whether attention and MLP read the same residual. */
        public Builder parallelAttnMlp(boolean value) {
            parallelAttnMlp = value;
            return this;
        }

        /** Short names of the biases that exist. */
        public Builder biases(Set<String> value) {
            biases = value;
            return this;
        }

        /** Begin-of-sequence id. */
        public Builder bosId(@Nullable Long value) {
            bosId = value;
            return this;
        }

        /** End-of-sequence ids. */
        public Builder eosIds(Set<Long> value) {
            eosIds = value;
            return this;
        }

        /** Whether text gets a BOS in front. */
        public Builder defaultPrependBos(boolean value) {
            defaultPrependBos = value;
            return this;
        }

        /** Something that only one architecture knows. */
        public Builder extra(String key, Object value) {
            extra.put(key, value);
            return this;
        }

        /** What token embeddings were multiplied by. */
        public Builder embeddingScale(double value) {
            embeddingScale = value;
            return this;
        }

        /** Soft cap of the logits; null for none. */
        public Builder logitSoftCap(@Nullable Double value) {
            logitSoftCap = value;
            return this;
        }

        /**
         * What each block is made of, given what the other settings make of it and its layer: {@code blocks((block,
         * layer) -> layer % 2 == 0 ? block.withWindow(4096) : block)}.
         */
        public Builder blocks(BiFunction<BlockSpec, Integer, BlockSpec> rule) {
            blocks = rule;
            return this;
        }

        /**
         * The config.
         *
         * @throws IllegalArgumentException if sizes are missing or don't fit together
         */
        public TransformerConfig build() {
            return new TransformerConfig(this);
        }
    }
}
