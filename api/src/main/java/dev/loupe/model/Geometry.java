package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Which positions a run has, and which of them are real: the source of all inputs that follow from the tokens'
 * places rather than from their ids.
 *
 * @param ids [batch][pos]; null if the run starts from a residual stream
 * @param keyIds [batch][past+pos]: tokens of all positions, {@link #UNKNOWN} where nobody knows them
 * @param mask [batch][pos]: new positions that are real
 * @param keyMask [batch][past+pos]: all positions that are real
 * @param selected the new positions at which there are logits, counted from the start; null for all
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Geometry(
        long @Nullable [][] ids, long[][] keyIds, boolean[][] mask, boolean[][] keyMask, int @Nullable [] selected) {

    /** In the place of the id of a token that isn't known. */
    static final long UNKNOWN = -1;

    /** With logits at all positions, after those of a key/value cache if there is one. */
    static Geometry of(long @Nullable [][] ids, boolean[][] mask, @Nullable KeyValueCache cache) {
        long[][] known = ids == null ? unknown(mask.length, mask.length == 0 ? 0 : mask[0].length) : ids;
        return cache == null
                ? new Geometry(ids, known, mask, mask, null)
                : new Geometry(ids, cache.idsWith(known), mask, cache.maskWith(mask), null);
    }

    /** Ids of tokens that aren't known. */
    static long[][] unknown(int batch, int positions) {
        long[][] ids = new long[batch][positions];
        for (long[] row : ids) {
            Arrays.fill(row, UNKNOWN);
        }
        return ids;
    }

    /**
     * The same with logits at some positions alone.
     *
     * @param positions among the new ones; negative ones count from the end
     * @throws IllegalArgumentException if there is no such position
     */
    Geometry withLogitsAt(int... positions) {
        int[] resolved = new int[positions.length];
        for (int i = 0; i < positions.length; i++) {
            resolved[i] = positions[i] < 0 ? positions[i] + positions() : positions[i];
            if (resolved[i] < 0 || resolved[i] >= positions()) {
                throw new IllegalArgumentException("Logits were asked for at position " + positions[i]
                        + "; the run has " + positions() + " positions");
            }
        }
        return new Geometry(ids, keyIds, mask, keyMask, resolved);
    }

    /** The new position that each column of the logits stands for. */
    int[] logitColumns() {
        return selected == null ? IntStream.range(0, positions()).toArray() : selected.clone();
    }

    int batch() {
        return mask.length;
    }

    int positions() {
        return mask[0].length;
    }

    int past() {
        return keyMask[0].length - mask[0].length;
    }

    Map<String, Long> symbols() {
        Map<String, Long> symbols = new HashMap<>();
        symbols.put(StandardNames.BATCH.soleSymbol(), (long) batch());
        symbols.put(StandardNames.POS.soleSymbol(), (long) positions());
        symbols.put(StandardNames.PAST.soleSymbol(), (long) past());
        if (selected != null) {
            symbols.put(StandardNames.SELECTED.soleSymbol(), (long) selected.length);
        }
        return symbols;
    }

    /** The names of the graph inputs that this can give. */
    Set<String> inputNames() {
        Set<String> names = new HashSet<>(Set.of(
                StandardNames.TOKEN_MASK,
                StandardNames.ATTENTION_MASK,
                StandardNames.POSITIONS,
                StandardNames.KEY_POSITIONS,
                StandardNames.QUERY_INDEX,
                StandardNames.KEY_INDEX));
        if (ids != null) {
            names.add(StandardNames.TOKENS);
        }
        if (selected != null) {
            names.add(StandardNames.SELECTED_POSITIONS);
        }
        return names;
    }

    /** The graph input of that name, or null if it is none of those given by {@link #inputNames}. */
    @Nullable
    Tensor input(String name, Backend backend) {
        HostTensor data = switch (name) {
            case StandardNames.TOKENS -> ids == null ? null : longs(ids);
            case StandardNames.TOKEN_MASK -> booleans(mask);
            case StandardNames.ATTENTION_MASK -> booleans(keyMask);
            case StandardNames.POSITIONS -> longs(positionsOf(past()));
            case StandardNames.KEY_POSITIONS -> longs(positionsOf(0));
            case StandardNames.QUERY_INDEX -> range(past(), positions());
            case StandardNames.KEY_INDEX -> range(0, past() + positions());
            case StandardNames.SELECTED_POSITIONS -> selected == null ? null : longs(selected);
            default -> null;
        };
        return data == null ? null : new TensorFactory(backend).of(data);
    }

    /** cumsum(mask) − 1, floored at 0, from an index on. */
    private long[][] positionsOf(int from) {
        long[][] result = new long[batch()][keyMask[0].length - from];
        for (int row = 0; row < result.length; row++) {
            long position = -1;
            for (int i = 0; i < keyMask[row].length; i++) {
                position += keyMask[row][i] ? 1 : 0;
                if (i >= from) {
                    result[row][i - from] = Math.max(position, 0);
                }
            }
        }
        return result;
    }

    /** The largest number of real tokens in a row. */
    int longest() {
        int longest = 0;
        for (boolean[] row : keyMask) {
            int count = 0;
            for (boolean real : row) {
                count += real ? 1 : 0;
            }
            longest = Math.max(longest, count);
        }
        return longest;
    }

    /** Pairs of neighbouring new positions that are both real, of each row. */
    long[] pairs() {
        long[] counts = new long[batch()];
        for (int row = 0; row < counts.length; row++) {
            for (int i = 1; i < positions(); i++) {
                counts[row] += mask[row][i] && mask[row][i - 1] ? 1 : 0;
            }
        }
        return counts;
    }

    private static HostTensor longs(int[] numbers) {
        return HostTensor.of(
                Shape.of(numbers.length), Arrays.stream(numbers).asLongStream().toArray());
    }

    private static HostTensor longs(long[][] rows) {
        long[] flat = new long[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
        }
        return HostTensor.of(Shape.of(rows.length, rows[0].length), flat);
    }

    private static HostTensor booleans(boolean[][] rows) {
        boolean[] flat = new boolean[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
        }
        return HostTensor.of(Shape.of(rows.length, rows[0].length), flat);
    }

    private static HostTensor range(int start, int count) {
        long[] numbers = new long[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (long) start + i;
        }
        return HostTensor.of(Shape.of(count), numbers);
    }
}
