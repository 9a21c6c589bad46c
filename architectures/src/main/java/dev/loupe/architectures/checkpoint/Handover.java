package dev.loupe.architectures.checkpoint;

import dev.loupe.array.HostTensor;

/**
 * Keeps what was handed over from piling up. Most backends copy a weight, and its buffer is garbage then; but
 * buffers lie outside of Java's heap, so nothing urges the collector to give them back, and without a hint a
 * model would be in memory twice before it is loaded. A collection now and then costs some hundredths of a
 * second each.
 */
final class Handover {

    /** A collection after each sixteenth of the model, but not for less than this. */
    private static final long LEAST = 16 << 20;

    private static final int PARTS = 16;

    private final long limit;
    private long waiting;

    /**
     * Begins.
     *
     * @param total bytes of the model
     */
    Handover(long total) {
        limit = Math.max(LEAST, total / PARTS);
    }

    /** So many bytes are about to be read: makes room for them first, if much is waiting to be given back. */
    void expect(long bytes) {
        if (waiting > 0 && waiting + bytes >= limit) {
            waiting = 0;
            System.gc();
        }
    }

    /** A weight was handed over, in another form than it was read in if a conversion was necessary. */
    void done(HostTensor read, HostTensor handedOver) {
        waiting += handedOver.bytes();
        if (read.dtype() != handedOver.dtype()) {
            waiting += read.bytes();
        }
    }
}
