package dev.loupe.architectures.decoder;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Rotary;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * Reads rotary settings from a Hugging Face config, in either spelling: {@code rope_theta} with {@code
 * rope_scaling} (transformers 4), or {@code rope_parameters} (transformers 5). The kinds of scaling follow
 * transformers' {@code modeling_rope_utils}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class RotarySettings {

    private static final double DEFAULT_THETA = 10_000;
    private static final String FULL = "full_attention";
    private static final String REACH = "rotary_reach";
    private static final String KNOWN = "default, linear, dynamic, llama3, yarn and longrope";

    private RotarySettings() {}

    /**
     * Reads the settings into a model's config.
     *
     * @param builder gets rotary positions, and remembers how far they reach if that is limited
     * @param config the checkpoint's config
     * @param dHead width of a head, all of which is rotated
     * @param maxPositions the config's {@code max_position_embeddings}
     * @return the builder
     * @throws IllegalArgumentException if the kind of scaling is not known, or lacks one of its numbers
     */
    public static TransformerConfig.Builder apply(
            TransformerConfig.Builder builder, CheckpointConfig config, int dHead, int maxPositions) {
        builder.rotary(read(config, dHead, maxPositions));
        return reaching(builder, config, maxPositions);
    }

    /**
     * As {@link #apply}, of a family that rotates {@code partial_rotary_factor} of each head. Others ignore that
     * setting, as transformers does.
     */
    public static TransformerConfig.Builder applyPartial(
            TransformerConfig.Builder builder, CheckpointConfig config, int dHead, int maxPositions) {
        CheckpointConfig settings = settings(config, "");
        double part = settings.number("partial_rotary_factor", config.number("partial_rotary_factor", 1));
        if (!(part > 0 && part <= 1)) {
            throw new IllegalArgumentException(
                    config.source() + ": 'partial_rotary_factor' should be over 0 and at most 1," + " found " + part);
        }
        builder.rotary(read(config, settings, (int) (dHead * part), DEFAULT_THETA, maxPositions));
        return reaching(builder, config, maxPositions);
    }

    private static TransformerConfig.Builder reaching(
            TransformerConfig.Builder builder, CheckpointConfig config, int maxPositions) {
        CheckpointConfig settings = settings(config, FULL);
        return switch (type(settings)) {
            case "dynamic" -> builder.extra(REACH, maxPositions);
            case "longrope" -> {
                int trained = (int) Math.min(trainedPositions(config, settings, maxPositions), maxPositions);
                yield builder.extra(REACH, trained).nCtx(trained);
            }
            default -> builder;
        };
    }

    /**
     * The settings of one kind of layers, where a config may tell them apart: {@code rope_parameters} by kind
     * (transformers 5), or {@code rope_theta} and {@code rope_scaling} for all.
     *
     * @param kind {@code full_attention} or {@code sliding_attention}
     * @param dHead width of a head, all of which is rotated
     * @param defaultTheta the family's base, where the config tells none
     */
    public static Rotary ofKind(
            CheckpointConfig config, String kind, int dHead, double defaultTheta, int maxPositions) {
        return read(config, settings(config, kind), dHead, defaultTheta, maxPositions);
    }

    /**
     * Rotary positions of settings that stand by themselves, as {@code rope_parameters} has them.
     *
     * @param config for what the settings leave out: {@code rope_theta}, {@code original_max_position_embeddings}
     * @param dHead width of a head, all of which is rotated
     * @throws IllegalArgumentException if the kind of scaling is not known, or lacks one of its numbers
     */
    public static Rotary of(
            CheckpointConfig config, CheckpointConfig settings, int dHead, double defaultTheta, int maxPositions) {
        return read(config, settings, dHead, defaultTheta, maxPositions);
    }

    /** Checks that rotary positions reach as far as the context, which somebody may have made longer. */
    static void checkReach(TransformerConfig config) {
        if (config.extra().get(REACH) instanceof Integer reach && config.nCtx() > reach) {
            throw new IllegalArgumentException("'" + config.modelName()
                    + "' has rope type 'dynamic' or 'longrope', whose"
                    + " frequencies change with the length of the text beyond " + reach
                    + " positions. Loupe keeps them fixed: n_ctx can be at most " + reach + ", not " + config.nCtx());
        }
    }

    private static CheckpointConfig settings(CheckpointConfig config, String kind) {
        CheckpointConfig old = config.object("rope_scaling");
        CheckpointConfig newer = config.object("rope_parameters");
        if (!newer.has(kind)) {
            CheckpointConfig settings = old.keys().isEmpty() ? newer : old;
            return settings.raw(kind) instanceof Map ? settings.object(kind) : settings;
        }
        // Kinds are told apart in the newer spelling alone; what the older one says concerns full attention.
        CheckpointConfig settings = newer.object(kind);
        for (String key : kind.equals(FULL) ? old.keys() : Set.<String>of()) {
            Object value = old.raw(key);
            settings = value == null ? settings : settings.withDefault(key, value);
        }
        return settings;
    }

    private static String type(CheckpointConfig settings) {
        return settings.string("rope_type", settings.string("type", "default"));
    }

    static Rotary read(CheckpointConfig config, int dHead, int maxPositions) {
        return read(config, settings(config, FULL), dHead, DEFAULT_THETA, maxPositions);
    }

    /**
     * Checks that all kinds of layers are rotated alike, for families in which they are.
     *
     * @throws IllegalArgumentException if the config tells their settings apart
     */
    public static void requireOneKind(CheckpointConfig config) {
        CheckpointConfig byKind = config.object("rope_parameters");
        Object full = byKind.raw("full_attention");
        Object sliding = byKind.raw("sliding_attention");
        if (full instanceof Map && sliding instanceof Map && !full.equals(sliding)) {
            throw new IllegalArgumentException(byKind.source() + " has settings of its own for 'sliding_attention':"
                    + " this family has one kind of rotary positions for all layers");
        }
    }

    private static Rotary read(
            CheckpointConfig config, CheckpointConfig settings, int dims, double defaultTheta, int maxPositions) {
        rejectSettingsByLayer(settings);
        double theta = settings.number("rope_theta", config.number("rope_theta", defaultTheta));
        if (!(theta > 0) || Double.isInfinite(theta)) {
            throw new IllegalArgumentException(
                    config.source() + ": 'rope_theta' should be a positive number, found " + theta);
        }
        if (dims < 2 || dims % 2 != 0) {
            throw new IllegalArgumentException(config.source() + ": rotary positions turn pairs of entries, but " + dims
                    + " entries of a head can't be paired. How many there are follows from 'head_dim' (without it,"
                    + " 'hidden_size' / 'num_attention_heads') and, in families that turn a part of a head,"
                    + " 'partial_rotary_factor' or 'rotary_pct'.");
        }
        double[] plain = frequencies(theta, dims);
        String type = type(settings);
        return switch (type) {
            // Dynamic scaling begins beyond the trained context: see checkReach.
            case "default", "dynamic" -> new Rotary(dims, plain, 1);
            case "linear" -> new Rotary(dims, divided(plain, factor(settings)), 1);
            case "llama3" ->
                new Rotary(dims, llama3(plain, settings, trainedPositions(config, settings, maxPositions)), 1);
            case "longrope" ->
                longrope(plain, settings, trainedPositions(config, settings, maxPositions), maxPositions);
            case "yarn" -> yarn(plain, theta, settings, trainedPositions(config, settings, maxPositions), maxPositions);
            default ->
                throw new IllegalArgumentException(
                        config.source() + ": rope type '" + type + "' is not known; known are " + KNOWN);
        };
    }

    /**
     * Radians per position of each pair of entries, unscaled: {@code theta^(-2i/dims)} (Su et al. 2021).
     *
     * @param dims how many entries of a head are rotated
     */
    public static double[] frequencies(double theta, int dims) {
        return IntStream.range(0, dims / 2)
                .mapToDouble(i -> Math.pow(theta, -2.0 * i / dims))
                .toArray();
    }

    private static void rejectSettingsByLayer(CheckpointConfig settings) {
        for (String key : settings.keys()) {
            if (settings.raw(key) instanceof Map) {
                throw new IllegalArgumentException(settings.source() + " has settings of its own for '" + key
                        + "': rotary settings that differ from layer to layer are not known");
            }
        }
    }

    private static double factor(CheckpointConfig settings) {
        double factor = settings.number("factor");
        if (!(factor > 0)) {
            throw new IllegalArgumentException(settings.source() + ": 'factor' must be positive, found " + factor);
        }
        return factor;
    }

    private static double trainedPositions(CheckpointConfig config, CheckpointConfig settings, int maxPositions) {
        String key = "original_max_position_embeddings";
        return config.number(key, settings.number(key, maxPositions));
    }

    private static double[] divided(double[] frequencies, double factor) {
        return IntStream.range(0, frequencies.length)
                .mapToDouble(i -> frequencies[i] / factor)
                .toArray();
    }

    // LLaMA 3.1: slow pairs, whose wavelength is long against the trained context, are stretched by the
    // factor; fast ones stay; those between are blended.
    private static double[] llama3(double[] plain, CheckpointConfig settings, double trained) {
        double factor = factor(settings);
        double low = settings.number("low_freq_factor");
        double high = settings.number("high_freq_factor");
        double[] scaled = new double[plain.length];
        for (int i = 0; i < scaled.length; i++) {
            double turns = trained * plain[i] / (2 * Math.PI);
            if (turns > high) {
                scaled[i] = plain[i];
            } else if (turns < low) {
                scaled[i] = plain[i] / factor;
            } else {
                double blend = (turns - low) / (high - low);
                scaled[i] = (1 - blend) * plain[i] / factor + blend * plain[i];
            }
        }
        return scaled;
    }

    // YaRN (Peng et al. 2023): a ramp over the pairs between stretched and unstretched frequencies, and a
    // factor on cosine and sine.
    private static Rotary yarn(
            double[] plain, double theta, CheckpointConfig settings, double trained, int maxPositions) {
        double factor = settings.has("factor") ? factor(settings) : maxPositions / trained;
        int dims = 2 * plain.length;
        double from = pairThatTurns(orDefault(settings, "beta_fast", 32), dims, theta, trained);
        double to = pairThatTurns(orDefault(settings, "beta_slow", 1), dims, theta, trained);
        boolean whole = settings.bool("truncate", true);
        double low = Math.max(whole ? Math.floor(from) : from, 0);
        double high = Math.min(whole ? Math.ceil(to) : to, dims - 1);
        double width = low == high ? 0.001 : high - low;
        double[] scaled = new double[plain.length];
        for (int i = 0; i < scaled.length; i++) {
            double stretch = Math.min(Math.max((i - low) / width, 0), 1);
            scaled[i] = plain[i] / factor * stretch + plain[i] * (1 - stretch);
        }
        return new Rotary(dims, scaled, attentionFactor(settings, factor));
    }

    // LongRoPE (Ding et al. 2024): each pair is stretched by a factor of its own, one of those for texts that aren't
    // longer than the trained context. Beyond it all of them change: see checkReach.
    private static Rotary longrope(double[] plain, CheckpointConfig settings, double trained, int maxPositions) {
        String key = "short_factor";
        if (!(settings.raw(key) instanceof List<?> stretches) || stretches.size() != plain.length) {
            throw new IllegalArgumentException(settings.source() + ": '" + key + "' should be a list of " + plain.length
                    + " numbers, one for each pair of rotated entries, found " + settings.raw(key));
        }
        double[] scaled = new double[plain.length];
        for (int i = 0; i < scaled.length; i++) {
            double stretch = stretches.get(i) instanceof Number number ? number.doubleValue() : Double.NaN;
            if (!(stretch > 0) || Double.isInfinite(stretch)) {
                throw new IllegalArgumentException(
                        settings.source() + ": '" + key + "' should hold positive numbers, found " + stretches.get(i));
            }
            scaled[i] = plain[i] / stretch;
        }
        if (settings.has("attention_factor")) {
            return new Rotary(2 * plain.length, scaled, settings.number("attention_factor"));
        }
        double factor = settings.has("factor") ? factor(settings) : maxPositions / trained;
        double scaling = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(trained));
        return new Rotary(2 * plain.length, scaled, scaling);
    }

    private static double pairThatTurns(double turns, int dims, double theta, double trained) {
        return dims * Math.log(trained / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
    }

    private static double attentionFactor(CheckpointConfig settings, double factor) {
        if (settings.has("attention_factor")) {
            return settings.number("attention_factor");
        }
        double scale = settings.number("mscale", 0);
        double scaleAllDims = settings.number("mscale_all_dim", 0);
        return scale != 0 && scaleAllDims != 0
                ? magnitude(factor, scale) / magnitude(factor, scaleAllDims)
                : magnitude(factor, 1);
    }

    private static double magnitude(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    }

    // A zero means "not set" there.
    private static double orDefault(CheckpointConfig settings, String key, double fallback) {
        double value = settings.number(key, fallback);
        return value == 0 ? fallback : value;
    }
}
