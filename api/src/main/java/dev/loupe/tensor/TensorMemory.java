package dev.loupe.tensor;

import dev.loupe.spi.TensorHandle;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Frees handles that nobody can reach any more. The Java collector doesn't see memory outside its heap, so the
 * bytes are counted here, and a collection is asked for before they grow beyond a limit: half a gibibyte, or what
 * the system property {@code loupe.memory.softLimitBytes} says; more while more is really in use.
 */
final class TensorMemory {

    private static final Cleaner CLEANER = Cleaner.create();
    private static final long SOFT_LIMIT = Long.getLong("loupe.memory.softLimitBytes", 512L << 20);
    private static final AtomicLong LIVE = new AtomicLong();
    private static final AtomicLong LIMIT = new AtomicLong(SOFT_LIMIT);
    private static final AtomicBoolean COLLECTING = new AtomicBoolean();

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
        if (lease.bytes > 0 && LIVE.addAndGet(lease.bytes) > LIMIT.get()) {
            collect();
        }
        return cleanable;
    }

    static long liveNativeBytes() {
        return LIVE.get();
    }

    private static void collect() {
        if (!COLLECTING.compareAndSet(false, true)) {
            return;
        }
        try {
            System.gc();
            // The cleaner's thread needs a moment; what is still alive afterwards is really in use.
            for (int i = 0; i < 50 && LIVE.get() > LIMIT.get() / 2; i++) {
                Thread.sleep(1);
            }
            LIMIT.set(Math.max(SOFT_LIMIT, LIVE.get() + LIVE.get() / 2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            COLLECTING.set(false);
        }
    }
}
