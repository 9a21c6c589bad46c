package dev.loupe.architecture;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The shape and the choices of one decoder-only transformer. Names follow the original's {@code
 * HookedTransformerConfig}. Make one with {@link #builder()}.
 *
 * @param modelName what the model is called, for messages
 * @param architecture id of the architecture provider that builds the graph
 * @param nLayers number of blocks
 * @param dModel width of the residual stream
 * @param nHeads query heads in a block
 * @param nKeyValueHeads key/value heads; a divisor of nHeads, equal to it where heads aren't grouped
 * @param dHead width of a head
 * @param dMlp width of the MLP
 * @param dVocab number of tokens
 * @param nCtx longest context in tokens
 * @param normalization kind of norm before attention, MLP and unembedding
 * @param eps added to the variance (or mean square) in norms
 * @param activation activation function in the MLP, Hugging Face's name: {@code gelu_new}, {@code silu}, …
 * @param gatedMlp whether the MLP has a gate
 * @param positions how positions enter
 * @param rotary rotary settings, if positions are rotary
 * @param slidingWindow how many positions back a query sees, itself included; null for all
 * @param scaleAttnByInverseLayerIdx whether scores are divided by (layer + 1) as well
 * @param attnScale what scores are divided by, usually sqrt(dHead)
 * @param parallelAttnMlp whether attention and MLP read the same residual
 * @param biases short names of the biases that exist: {@code b_Q}, {@code b_K}, {@code b_V}, {@code b_O},
 *     {@code b_in}, {@code b_out}, {@code b_gate}, {@code b_U}
 * @param bosId begin-of-sequence id, or null
 * @param eosIds end-of-sequence ids; may be empty
 * @param defaultPrependBos whether text gets a BOS in front unless a call says otherwise
 * @param extra what only one architecture knows, by name
 */
public record TransformerConfig(
        String modelName,
        String architecture,
        int nLayers,
        int dModel,
        int nHeads,
        int nKeyValueHeads,
        int dHead,
        int dMlp,
        int dVocab,
        int nCtx,
        Normalization normalization,
        double eps,
        String activation,
        boolean gatedMlp,
        Positions positions,
        @Nullable Rotary rotary,
        @Nullable Integer slidingWindow,
        boolean scaleAttnByInverseLayerIdx,
        double attnScale,
        boolean parallelAttnMlp,
        Set<String> biases,
        @Nullable Long bosId,
        Set<Long> eosIds,
        boolean defaultPrependBos,
        Map<String, Object> extra) {

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

    /** Checks that the sizes fit together. */
    public TransformerConfig {
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
        biases = Set.copyOf(biases);
        eosIds = Set.copyOf(eosIds);
        extra = Map.copyOf(extra);
    }

    /** Whether the model has this bias: {@code b_Q}, {@code b_out}, … */
    public boolean hasBias(String shortName) {
        return biases.contains(shortName);
    }

    /** A builder with nothing set but the defaults. */
    public static Builder builder() {
        return new Builder();
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

        /**
         * The config.
         *
         * @throws IllegalArgumentException if sizes are missing or don't fit together
         */
        public TransformerConfig build() {
            int headWidth = dHead == 0 && nHeads > 0 ? dModel / nHeads : dHead;
            return new TransformerConfig(
                    modelName,
                    architecture,
                    nLayers,
                    dModel,
                    nHeads,
                    nKeyValueHeads == 0 ? nHeads : nKeyValueHeads,
                    headWidth,
                    dMlp < 0 ? 4 * dModel : dMlp,
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
                    attnScale == 0 ? Math.sqrt(headWidth) : attnScale,
                    parallelAttnMlp,
                    biases,
                    bosId,
                    eosIds,
                    defaultPrependBos,
                    extra);
        }
    }
}
