package dev.loupe.model;

import dev.loupe.array.Index;
import dev.loupe.tensor.TensorFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.StringJoiner;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which positions of a cache's sequences hold real tokens.
 *
 * @param mask [sequence][position]; null if nobody knows, which counts as all
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record RealPositions(boolean @Nullable [][] mask) {

    static final RealPositions ALL = new RealPositions(null);

    private static final Pattern TEXT = Pattern.compile("[01]+(,[01]+)*");

    /** Reads what {@link #toText} wrote; null is {@link #ALL}. */
    static RealPositions of(@Nullable String text, Path file) {
        if (text == null) {
            return ALL;
        }
        List<boolean[]> rows = new ArrayList<>();
        boolean fits = TEXT.matcher(text).matches();
        for (String row : fits ? text.split(",", -1) : new String[0]) {
            boolean[] real = new boolean[row.length()];
            for (int i = 0; i < real.length; i++) {
                real[i] = row.charAt(i) == '1';
            }
            fits &= rows.isEmpty() || rows.get(0).length == real.length;
            rows.add(real);
        }
        if (!fits) {
            throw new IllegalArgumentException(
                    file + ": the metadata 'loupe.real_positions' should have a row of 0 and 1,"
                            + " all of one length, for each sequence; the file is damaged");
        }
        return new RealPositions(rows.toArray(boolean[][]::new));
    }

    /** A row of 0 and 1 for each sequence. */
    String toText() {
        StringJoiner rows = new StringJoiner(",");
        for (boolean[] row : mask == null ? new boolean[0][] : mask) {
            StringBuilder text = new StringBuilder();
            for (boolean real : row) {
                text.append(real ? '1' : '0');
            }
            rows.add(text);
        }
        return rows.toString();
    }

    boolean hasPadding() {
        return mask != null && Arrays.stream(mask).anyMatch(row -> Tokens.lastReal(row) < row.length - 1 || !row[0]);
    }

    /**
     * Where a position counted from the end stands in each sequence, if that isn't one place for all; otherwise nothing.
     *
     * @throws IndexOutOfBoundsException if a sequence has no such position
     */
    long[] fromEnd(Index positions) {
        long wanted = 0;
        if (positions instanceof Index.One one) {
            wanted = one.position();
        } else if (positions instanceof Index.Pick pick && pick.positions().size() == 1) {
            wanted = pick.positions().get(0);
        }
        if (mask == null
                || wanted >= 0
                || Arrays.stream(mask).allMatch(row -> Tokens.lastReal(row) == row.length - 1)) {
            return new long[0];
        }
        long[] places = new long[mask.length];
        for (int row = 0; row < places.length; row++) {
            places[row] = Tokens.lastReal(mask[row]) + 1 + wanted;
            if (places[row] < 0 || !mask[row][(int) places[row]]) {
                throw new IndexOutOfBoundsException("Position " + wanted + " is out of range: sequence " + row
                        + " of the batch has fewer real tokens");
            }
        }
        return places;
    }

    RealPositions rows(Index rows, HookedTransformer model) {
        boolean[][] all = mask;
        if (all == null) {
            return this;
        }
        return new RealPositions(Arrays.stream(chosen(all.length, rows, model))
                .mapToObj(row -> all[(int) row])
                .toArray(boolean[][]::new));
    }

    RealPositions positions(Index positions, HookedTransformer model) {
        boolean[][] all = mask;
        if (all == null || all.length == 0) {
            return this;
        }
        long[] fromEnd = fromEnd(positions);
        boolean[][] sliced = new boolean[all.length][];
        long[] places = fromEnd.length > 0 ? fromEnd : chosen(all[0].length, positions, model);
        for (int row = 0; row < sliced.length; row++) {
            if (fromEnd.length > 0) {
                sliced[row] = new boolean[] {all[row][(int) places[row]]};
            } else {
                sliced[row] = new boolean[places.length];
                for (int i = 0; i < places.length; i++) {
                    sliced[row][i] = all[row][(int) places[i]];
                }
            }
        }
        return new RealPositions(sliced);
    }

    private static long[] chosen(int size, Index index, HookedTransformer model) {
        return new TensorFactory(model.backend()).arange(size).get(index).toLongArray();
    }
}
