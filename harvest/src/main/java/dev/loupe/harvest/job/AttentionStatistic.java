package dev.loupe.harvest.job;

import java.util.Arrays;
import java.util.Locale;
import org.apiguardian.api.API;

/**
 * One number in the place of a row of attention. Patterns and scores have an axis of keys, which is as long as the row of
 * tokens: rows of different lengths have no common shape, and all of them would take a token's square. So they are
 * harvested as a statistic of the keys that a query may see, [tokens, head].
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum AttentionStatistic {
    /** The entropy of a query's pattern, in nats. */
    ENTROPY {
        @Override
        public double of(double[] keys, int count) {
            double sum = 0;
            double entropy = 0;
            for (int i = 0; i < count; i++) {
                sum += keys[i];
                entropy -= keys[i] > 0 ? keys[i] * Math.log(keys[i]) : 0;
            }
            if (!(sum < 1e-6 || Math.abs(sum - 1) < 1e-2)) {
                throw new IllegalArgumentException("Entropy is of probabilities; a query's numbers here add up to "
                        + sum + ". Take it at hook_pattern, or another statistic at scores");
            }
            return entropy;
        }
    },
    /** The largest number. */
    MAX {
        @Override
        public double of(double[] keys, int count) {
            double max = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < count; i++) {
                max = Math.max(max, keys[i]);
            }
            return max;
        }
    },
    /** What falls to the row's first token. */
    FIRST {
        @Override
        public double of(double[] keys, int count) {
            return keys[0];
        }
    },
    /** What falls to the token itself. */
    SELF {
        @Override
        public double of(double[] keys, int count) {
            return keys[count - 1];
        }
    },
    /** What falls to the token before; 0 for the first. */
    PREVIOUS {
        @Override
        public double of(double[] keys, int count) {
            return count > 1 ? keys[count - 2] : 0;
        }
    };

    /**
     * The statistic of one query.
     *
     * @param keys what falls to each key
     * @param count how many there are up to the query itself
     */
    public abstract double of(double[] keys, int count);

    /**
     * Reads a name.
     *
     * @throws IllegalArgumentException if there is no such statistic; lists those that there are
     */
    public static AttentionStatistic parse(String name) {
        for (AttentionStatistic statistic : values()) {
            if (statistic.toString().equalsIgnoreCase(name)) {
                return statistic;
            }
        }
        throw new IllegalArgumentException(
                "There is no statistic '" + name + "' of attention; there are " + Arrays.toString(values()));
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
