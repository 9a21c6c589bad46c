package dev.loupe.architecture;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Numbers of a checkpoint's JSON files, read strictly: a whole number has no fraction and isn't wrapped, any number is
 * finite, and those that every family means alike lie in a range that makes sense. The ranges are far beyond any
 * model's; they keep a damaged size from claiming time and memory before the weights contradict it.
 */
final class ConfigNumbers {

    /** Characters of a found value that a message shows. */
    private static final int SHOWN = 100;

    private static final Map<String, Range> RANGES = Map.ofEntries(
            Map.entry("num_hidden_layers", new Range(0, 10_000)),
            Map.entry("n_layer", new Range(0, 10_000)),
            Map.entry("hidden_size", new Range(1, 1 << 22)),
            Map.entry("n_embd", new Range(1, 1 << 22)),
            Map.entry("intermediate_size", new Range(0, 1 << 24)),
            Map.entry("n_inner", new Range(0, 1 << 24)),
            Map.entry("num_attention_heads", new Range(1, 1 << 16)),
            Map.entry("num_key_value_heads", new Range(1, 1 << 16)),
            Map.entry("n_head", new Range(1, 1 << 16)),
            Map.entry("head_dim", new Range(1, 1 << 16)),
            Map.entry("vocab_size", new Range(1, 1 << 28)),
            Map.entry("max_position_embeddings", new Range(1, Integer.MAX_VALUE)),
            Map.entry("n_positions", new Range(1, Integer.MAX_VALUE)),
            Map.entry("n_ctx", new Range(1, Integer.MAX_VALUE)),
            Map.entry("sliding_window", new Range(1, Integer.MAX_VALUE)),
            Map.entry("original_max_position_embeddings", Range.POSITIVE),
            Map.entry("layer_norm_epsilon", Range.POSITIVE),
            Map.entry("layer_norm_eps", Range.POSITIVE),
            Map.entry("rms_norm_eps", Range.POSITIVE),
            Map.entry("rope_theta", Range.POSITIVE),
            Map.entry("rope_local_base_freq", Range.POSITIVE),
            Map.entry("rotary_emb_base", Range.POSITIVE),
            Map.entry("factor", Range.POSITIVE),
            Map.entry("attention_factor", Range.POSITIVE),
            Map.entry("partial_rotary_factor", new Range(Double.MIN_VALUE, 1)),
            Map.entry("rotary_pct", new Range(Double.MIN_VALUE, 1)));

    private ConfigNumbers() {}

    /** What a key allows, both ends included. */
    private record Range(double low, double high) {

        static final Range POSITIVE = new Range(Double.MIN_VALUE, Double.MAX_VALUE);

        boolean contains(double value) {
            return low <= value && value <= high;
        }

        String words(boolean whole) {
            if (whole) {
                return "a whole number from " + (long) low + " to " + (long) high;
            }
            return high == Double.MAX_VALUE ? "a finite number above 0" : "a number above 0, at most " + plain(high);
        }

        private static String plain(double value) {
            return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
        }
    }

    /** A whole number that fits an int and makes sense for its key. */
    static int integer(String source, String key, Number found) {
        Range range = RANGES.getOrDefault(key, new Range(Integer.MIN_VALUE, Integer.MAX_VALUE));
        Long value = whole(found);
        if (value == null || value != value.intValue() || !range.contains(value)) {
            throw refused(source, key, range.words(true), found);
        }
        return value.intValue();
    }

    /** A finite number that makes sense for its key. */
    static double number(String source, String key, Number found) {
        double value = found.doubleValue();
        Range range = RANGES.get(key);
        if (!Double.isFinite(value) || (range != null && !range.contains(value))) {
            throw refused(source, key, range == null ? "a finite number" : range.words(false), found);
        }
        return value;
    }

    /** Ids of tokens: one, a list of them, or none where the value is null. */
    static List<Long> ids(String source, String key, @Nullable Object found) {
        List<?> values = found instanceof List<?> list ? list : found == null ? List.of() : List.of(found);
        return values.stream()
                .map(value -> {
                    Long id = value instanceof Number number ? whole(number) : null;
                    if (id == null) {
                        throw refused(source, key, "an id or a list of ids", found);
                    }
                    return id;
                })
                .toList();
    }

    static IllegalArgumentException refused(String source, String key, String allowed, @Nullable Object found) {
        return new IllegalArgumentException(
                source + ": '" + key + "' should be " + allowed + ", found " + shown(found));
    }

    /** A value as messages show it, cut where it is long. */
    static String shown(@Nullable Object value) {
        String text = String.valueOf(value);
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "… (" + text.length() + " characters)";
    }

    /** Null where there is a fraction, or more than a long holds. */
    private static @Nullable Long whole(Number found) {
        if (found instanceof BigInteger big) {
            return big.bitLength() < Long.SIZE ? (Long) big.longValue() : null;
        }
        if (found instanceof Double || found instanceof Float || found instanceof BigDecimal) {
            double value = found.doubleValue();
            return value == Math.rint(value) && Math.abs(value) < 1L << 53 ? (Long) (long) value : null;
        }
        return found.longValue();
    }
}
