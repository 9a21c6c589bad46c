package dev.loupe.model;

import java.util.stream.LongStream;

/**
 * Where the real tokens of a prompt stand. A generation knows it from its first step: what it makes afterwards is no prompt.
 *
 * @param columns of each sequence, counted over past and new positions
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record PromptColumns(long[][] columns) {

    /** What a run is given. */
    static PromptColumns of(Geometry geometry) {
        boolean[][] mask = geometry.mask();
        long[][] columns = new long[mask.length][];
        for (int row = 0; row < mask.length; row++) {
            boolean[] real = mask[row];
            columns[row] = LongStream.range(0, real.length)
                    .filter(position -> real[(int) position])
                    .map(position -> geometry.past() + position)
                    .toArray();
        }
        return new PromptColumns(columns);
    }
}
