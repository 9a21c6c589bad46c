package dev.loupe.examples.loops;

import dev.loupe.array.Shape;

/** Visits every position of a shape in row-major order. */
final class Positions {

    private Positions() {}

    /** What is done at a position. */
    @FunctionalInterface
    interface Visitor {
        /**
         * Called once for each position.
         *
         * @param flat its number, from 0
         * @param position its index on each axis; the array is used again
         */
        void at(int flat, int[] position);
    }

    static void each(Shape shape, Visitor visitor) {
        int count = Math.toIntExact(shape.elements());
        int[] position = new int[shape.rank()];
        for (int flat = 0; flat < count; flat++) {
            visitor.at(flat, position);
            for (int axis = position.length - 1; axis >= 0; axis--) {
                position[axis]++;
                if (position[axis] < shape.size(axis)) {
                    break;
                }
                position[axis] = 0;
            }
        }
    }
}
