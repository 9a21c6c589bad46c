package dev.loupe.backend.pytorch;

import dev.loupe.tensor.Tensor;

/**
 * Frees tensors that nobody can reach any more, where a device is full. They hold their memory until Java's collector
 * comes by, and it doesn't know how full a GPU is.
 */
final class UnreachableTensors {

    private static final int LEAST = 5;
    private static final int MOST = 100;

    private UnreachableTensors() {}

    /** Has unreachable tensors freed, and waits until that is done. */
    static void free() {
        long before = Tensor.liveNativeBytes();
        System.gc();
        try {
            for (int i = 0; i < MOST; i++) {
                Thread.sleep(2);
                long now = Tensor.liveNativeBytes();
                if (i >= LEAST && now == before) {
                    return;
                }
                before = now;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
