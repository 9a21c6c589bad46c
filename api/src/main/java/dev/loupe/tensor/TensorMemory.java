package dev.loupe.tensor;

import dev.loupe.backend.TensorHandle;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Frees handles that nobody can reach any more. The Java collector doesn't see memory outside its heap, so the
 * bytes are counted here, and a collection is asked for before they grow beyond a limit: half a gibibyte, or what
 * the system property {@code loupe.memory.softLimitBytes} says; half of its memory on a device that has memory of its
 * own; more while more is really in use.
 */
final class TensorMemory {

    private static final Cleaner CLEANER = Cleaner.create();
    private static final long SOFT_LIMIT = Long.getLong("loupe.memory.softLimitBytes", 512L << 20);
    private static final long SHARE_OF_DEVICE = 2;
    private static final AtomicLong LIVE = new AtomicLong();
    private static final AtomicLong COLLECTIONS = new AtomicLong();
    private static final AtomicLong LIMIT = new AtomicLong(SOFT_LIMIT);
    private static final int PATIENCE_MILLIS = 50; // how long the cleaner may free nothing before it counts as done

    private TensorMemory() {}

    /** Closes a handle, once, whoever asks first: the owner or the collector. */
    static final class Lease implements Runnable {
        final TensorHandle handle;
        private final long bytes;
        private final AtomicBoolean closed = new AtomicBoolean();

        Lease(TensorHandle handle) {
            this.handle = handle;
            this.bytes = handle.nativeBytes();
        }

        boolean isClosed() {
            return closed.get();
        }

        @Override
        public void run() {
            if (closed.compareAndSet(false, true)) {
                LIVE.addAndGet(-bytes);
                handle.close();
            }
        }
    }

    static Cleaner.Cleanable register(Tensor owner, Lease lease) {
        Cleaner.Cleanable cleanable = CLEANER.register(owner, lease);
        if (lease.bytes > 0
                && LIVE.addAndGet(lease.bytes) > limit(owner.backend().memoryBytes())) {
            collect(owner.backend().memoryBytes());
        }
        return cleanable;
    }

    // A large device may well hold more before anybody need look for what can be freed.
    static long limit(long deviceBytes) {
        return Math.max(LIMIT.get(), deviceBytes / SHARE_OF_DEVICE);
    }

    static long liveNativeBytes() {
        return LIVE.get();
    }

    static long collections() {
        return COLLECTIONS.get();
    }

    // One collection serves all threads that have come to the limit; they wait for it, so that the cleaner, which is
    // a single thread, is not left behind by many that allocate.
    private static synchronized void collect(long deviceBytes) {
        if (LIVE.get() <= limit(deviceBytes)) {
            return;
        }
        COLLECTIONS.incrementAndGet();
        System.gc();
        try {
            long least = LIVE.get();
            for (int idle = 0; idle < PATIENCE_MILLIS && LIVE.get() > LIMIT.get() / 2; idle++) {
                Thread.sleep(1);
                if (LIVE.get() < least) {
                    least = LIVE.get();
                    idle = 0;
                }
            }
            // What is still alive is really in use.
            LIMIT.set(Math.max(SOFT_LIMIT, LIVE.get() + LIVE.get() / 2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
