package dev.loupe.dictionaries;

import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import dev.loupe.graph.Arithmetic;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ReduceKind;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The arithmetic of dictionaries, written once for tensors and for graphs. Definitions: Bricken et al. 2023 (standard),
 * Rajamanoharan et al. 2024 (gated, JumpReLU), Gao et al. 2024 (top-k), Dunefsky et al. 2024 (transcoders), in the form of
 * SAELens.
 *
 * @param <T> tensors or values of a graph
 */
final class DictionaryMath<T extends Arithmetic<T>> {

    private final DictionaryConfig config;
    private final Function<String, T> weights;
    private final Predicate<String> has;

    DictionaryMath(DictionaryConfig config, Predicate<String> has, Function<String, T> weights) {
        this.config = config;
        this.has = has;
        this.weights = weights;
    }

    /**
     * An input as the encoder sees it, with what undoes its normalisation.
     *
     * @param scale what the input was divided by, [..., 1]; null if it wasn't
     * @param shift what was subtracted from it, [..., 1]; null if nothing was
     */
    record Prepared<T>(T input, @Nullable T scale, @Nullable T shift) {}

    Prepared<T> prepare(T x) {
        if (config.normalization() == Normalization.CONSTANT_NORM_RESCALE) {
            T norm = x.square().sum(-1).sqrt().unsqueeze(x.rank() - 1);
            T scale = norm.mul(1 / Math.sqrt(config.dIn()));
            return new Prepared<>(x.div(scale), scale, null);
        } else if (config.normalization() == Normalization.LAYER_NORM) {
            T mean = x.reduce(ReduceKind.MEAN, true, -1);
            T spread = x.sub(mean);
            double count = config.dIn();
            T deviation = spread.square()
                    .reduce(ReduceKind.SUM, true, -1)
                    .mul(1 / Math.max(count - 1, 1))
                    .sqrt();
            return new Prepared<>(spread.div(deviation.add(1e-5)), deviation, mean);
        }
        return new Prepared<>(x, null, null);
    }

    /** What enters the activation function, [..., d_sae]. */
    T preActivations(T prepared) {
        T x = config.applyBDecToInput() ? prepared.sub(weights.apply("b_dec")) : prepared;
        T pre = x.matmul(weights.apply("W_enc"));
        if (config.activation() != Activation.GATED) {
            pre = pre.add(weights.apply("b_enc"));
        }
        return config.rescaleByDecoderNorm() ? pre.mul(decoderNorms()) : pre;
    }

    /** The features' activations, [..., d_sae]. */
    T activations(T pre) {
        T acts = switch (config.activation()) {
            case RELU -> pre.relu();
            case JUMPRELU -> pre.relu().mul(pre.gt(weights.apply("threshold")).to(pre.dtype()));
            case TOPK -> largest(pre.relu());
            case GATED ->
                pre.add(weights.apply("b_gate"))
                        .gt(0)
                        .to(pre.dtype())
                        .mul(pre.mul(weights.apply("r_mag").exp())
                                .add(weights.apply("b_mag"))
                                .relu());
        };
        return has.test(FINETUNING) ? acts.mul(weights.apply(FINETUNING)) : acts;
    }

    static final String FINETUNING = "finetuning_scaling_factor";

    // The k best are put back where they stood, among zeros.
    private T largest(T acts) {
        int axis = acts.rank() - 1;
        List<T> best = acts.applyAll(new Op.TopK(config.k(), axis, true), List.of());
        T zeros = acts.constant(0).apply(new Op.BroadcastLike(), acts);
        return zeros.scatterElements(axis, best.get(1), best.get(0));
    }

    private T decoderNorms() {
        return weights.apply("W_dec").norm(-1);
    }

    /**
     * What is written, [..., d_out].
     *
     * @param acts [..., d_sae]
     * @param prepared the input, for a skip connection
     */
    T decode(T acts, Prepared<T> prepared) {
        T scaled = config.rescaleByDecoderNorm() ? acts.div(decoderNorms()) : acts;
        T out = scaled.matmul(weights.apply("W_dec")).add(weights.apply("b_dec"));
        if (has.test("W_skip")) {
            out = out.add(prepared.input().matmul(weights.apply("W_skip").transpose(0, 1)));
        }
        T scale = prepared.scale();
        if (scale != null) {
            out = out.mul(scale);
        }
        T shift = prepared.shift();
        return shift == null ? out : out.add(shift);
    }
}
