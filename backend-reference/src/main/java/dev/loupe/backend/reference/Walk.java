package dev.loupe.backend.reference;

import dev.loupe.array.Shape;
import java.util.Arrays;

/**
 * The order in which the elements of some tensors are met while an output is filled from first to last. Each
 * operand has a <em>stride</em> for each axis of the output: how far to move in its array when the index
 * along that axis grows by one; 0 where the operand is repeated.
 *
 * <p>Neighbouring axes along which all operands move evenly are merged, so that the innermost axis, a
 * <em>run</em>, is as long as possible: two tensors of the same shape are one single run.
 */
final class Walk {

    /** Some consecutive elements of the output. */
    @FunctionalInterface
    interface Run {
        /**
         * Handles a run.
         *
         * @param at index of the first element in the output
         * @param length number of elements
         * @param starts index of the first element in each operand; operand i then moves by {@code step(i)}
         */
        void accept(int at, int length, int[] starts);
    }

    private final int[] sizes;
    private final int[] origins;
    private final int[][] strides; // by operand, then axis

    private Walk(int[] sizes, int[] origins, int[][] strides) {
        this.sizes = sizes;
        this.origins = origins;
        this.strides = strides;
    }

    /** A walk in which the inputs broadcast to the output as NumPy does. */
    static Walk broadcast(Shape output, Shape... inputs) {
        int[][] strides = new int[inputs.length][];
        for (int i = 0; i < inputs.length; i++) {
            strides[i] = broadcastStrides(inputs[i], output);
        }
        return merged(output, new int[inputs.length], strides);
    }

    /** A walk through one operand: element (i, j, …) of the output is element {@code origin + i·strides[0] + …}. */
    static Walk strided(Shape output, int origin, int[] strides) {
        return merged(output, new int[] {origin}, new int[][] {strides});
    }

    /** The strides of a row-major array without gaps. */
    static int[] rowMajor(Shape shape) {
        int[] strides = new int[shape.rank()];
        int stride = 1;
        for (int axis = strides.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= (int) shape.size(axis);
        }
        return strides;
    }

    private static int[] broadcastStrides(Shape from, Shape to) {
        int[] own = rowMajor(from);
        int[] strides = new int[to.rank()];
        int missing = to.rank() - from.rank();
        for (int axis = 0; axis < own.length; axis++) {
            strides[missing + axis] = from.size(axis) == 1 ? 0 : own[axis];
        }
        return strides;
    }

    private static Walk merged(Shape output, int[] origins, int[][] strides) {
        int rank = output.rank();
        int[] sizes = new int[Math.max(rank, 1)];
        int[][] kept = new int[strides.length][sizes.length];
        sizes[0] = 1; // a scalar is a run of one
        int count = 0;
        for (int axis = 0; axis < rank; axis++) {
            int size = (int) output.size(axis);
            if (size == 1) {
                continue;
            }
            boolean joins = count > 0;
            for (int i = 0; joins && i < strides.length; i++) {
                joins = kept[i][count - 1] == (long) strides[i][axis] * size;
            }
            if (!joins) {
                sizes[count] = 1;
                count++;
            }
            sizes[count - 1] *= size;
            for (int i = 0; i < strides.length; i++) {
                kept[i][count - 1] = strides[i][axis];
            }
        }
        count = Math.max(count, 1);
        for (int i = 0; i < kept.length; i++) {
            kept[i] = Arrays.copyOf(kept[i], count);
        }
        return new Walk(Arrays.copyOf(sizes, count), origins, kept);
    }

    /** How far an operand moves from one element of a run to the next. */
    int step(int operand) {
        return strides[operand][sizes.length - 1];
    }

    /** Visits the outputs {@code from <= i < to} in runs of at most {@code limit} elements. */
    void forRuns(int from, int to, int limit, Run run) {
        int last = sizes.length - 1;
        int[] starts = new int[origins.length];
        int length;
        for (int at = from; at < to; at += length) {
            int within = at % sizes[last];
            length = Math.min(Math.min(sizes[last] - within, to - at), limit);
            int rest = at / sizes[last];
            for (int i = 0; i < starts.length; i++) {
                starts[i] = origins[i] + within * strides[i][last];
            }
            for (int axis = last - 1; axis >= 0; axis--) {
                int index = rest % sizes[axis];
                rest /= sizes[axis];
                for (int i = 0; i < starts.length; i++) {
                    starts[i] += index * strides[i][axis];
                }
            }
            run.accept(at, length, starts);
        }
    }
}
