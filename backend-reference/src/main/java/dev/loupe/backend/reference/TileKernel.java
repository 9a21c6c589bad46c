package dev.loupe.backend.reference;

/** Computes tiles of one matrix product. Not for use by several threads. */
interface TileKernel {

    /**
     * Adds to a tile of the output what the product of the matrices is there.
     *
     * @param left index of the first element of the tile's first row in the left matrix
     * @param right index of the first element of the tile's first column in the right matrix
     * @param at index of the tile's first element in the output
     */
    void add(int left, int right, int at, int rows, int columns);
}
