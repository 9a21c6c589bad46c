package dev.loupe.conformance.measures;

/**
 * Keeps the Java heap from shrinking for a while. What a collector notes about its heap (cards, bitmaps) lies outside
 * it, is a part of its size, and comes and goes with it: some MiB that nobody has leaked.
 */
final class HeapSize implements AutoCloseable {

    private static final String OPTION = "MaxHeapFreeRatio";

    private final String before;

    private HeapSize(String before) {
        this.before = before;
    }

    static HeapSize hold() {
        String before = Diagnostics.option(OPTION);
        if (!before.isEmpty()) {
            Diagnostics.set(OPTION, "100");
        }
        return new HeapSize(before);
    }

    @Override
    public void close() {
        if (!before.isEmpty()) {
            Diagnostics.set(OPTION, before);
        }
    }
}
