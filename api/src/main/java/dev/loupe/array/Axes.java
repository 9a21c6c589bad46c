package dev.loupe.array;

import org.apiguardian.api.API;

/** Turns axes counted from the end into axes counted from the start. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Axes {

    private Axes() {}

    /**
     * The axis counted from the start.
     *
     * @param axis {@code -rank <= axis < rank}
     * @throws IndexOutOfBoundsException if there is no such axis
     */
    public static int normalize(int axis, int rank) {
        int result = axis < 0 ? axis + rank : axis;
        if (result < 0 || result >= rank) {
            throw new IndexOutOfBoundsException("There is no axis " + axis + " in a tensor of rank " + rank
                    + (rank == 0 ? " (a scalar)" : "; axes go from " + -rank + " to " + (rank - 1)));
        }
        return result;
    }
}
