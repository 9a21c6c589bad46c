package dev.loupe.backend.onnx.runtime;

import dev.loupe.array.OutOfTensorMemoryException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Direct memory for results, used again and again: fresh memory costs a page fault every 4 KiB and a pass of
 * zeroing, which is more than many an operation. What is kept idle follows what was in use at once lately, so that
 * a run with all activations kept finds its memory again, and is given up before memory runs out. What is given up
 * is collected before it grows beyond what is kept.
 *
 * <p>Sizes are rounded up to one of eight steps between powers of two.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MemoryPool {

    private static final int SMALLEST = 256;
    private static final long ALWAYS_KEPT = 64L << 20;
    private static final long MOST_GARBAGE = 128L << 20;
    private static final int DECAY_EVERY = 1 << 14;

    private final long mostIdle;
    private final AtomicLong idle = new AtomicLong();
    private final AtomicLong used = new AtomicLong();
    private final AtomicLong peak = new AtomicLong();
    private final AtomicLong takes = new AtomicLong();
    private volatile boolean closed;
    private final AtomicLong dropped = new AtomicLong(); // bytes that only a collection gives back
    private final ConcurrentSkipListMap<Integer, ConcurrentLinkedDeque<ByteBuffer>> free =
            new ConcurrentSkipListMap<>();

    /**
     * A pool.
     *
     * @param mostIdle bytes that are kept at most although nobody uses them
     */
    MemoryPool(long mostIdle) {
        this.mostIdle = mostIdle;
    }

    /** Memory of at least so many bytes, with anything in it, owned by the caller. */
    Memory take(int bytes) {
        return take(bytes, bytes);
    }

    /**
     * Memory with anything in it.
     *
     * @param bytes how large it is at least
     * @param owned how many of them, from the first on, are the caller's for now
     */
    Memory take(int bytes, int owned) {
        int size = roundUp(bytes);
        ByteBuffer buffer = idleOne(size);
        if (buffer == null) {
            buffer = allocate(size);
        }
        long now = used.addAndGet(buffer.capacity());
        if (takes.incrementAndGet() % DECAY_EVERY == 0) {
            peak.updateAndGet(before -> before - before / 8);
        }
        peak.accumulateAndGet(now, Math::max);
        return new Memory(buffer, this, owned);
    }

    /** The smallest idle buffer that will do without wasting more than half of it. */
    private @Nullable ByteBuffer idleOne(int size) {
        long most = Math.min(2L * size, Integer.MAX_VALUE);
        for (Map.Entry<Integer, ConcurrentLinkedDeque<ByteBuffer>> bucket = free.ceilingEntry(size);
                bucket != null && bucket.getKey() <= most;
                bucket = free.higherEntry(bucket.getKey())) {
            ByteBuffer buffer = bucket.getValue().pollFirst();
            if (buffer != null) {
                idle.addAndGet(-buffer.capacity());
                return buffer;
            }
        }
        return null;
    }

    private ByteBuffer allocate(int size) {
        try {
            return ByteBuffer.allocateDirect(size);
        } catch (OutOfMemoryError full) {
            clear();
            try {
                return ByteBuffer.allocateDirect(size);
            } catch (OutOfMemoryError e) {
                throw withAdvice(e, size);
            }
        }
    }

    private OutOfTensorMemoryException withAdvice(OutOfMemoryError cause, int size) {
        return new OutOfTensorMemoryException(
                "No direct memory for a tensor of " + size + " bytes; results in use hold " + used.get(),
                "Close tensors earlier, observe fewer hook points, or start Java with a larger"
                        + " -XX:MaxDirectMemorySize (which follows -Xmx unless it is set)",
                cause);
    }

    void giveBack(ByteBuffer buffer, boolean reusable) {
        int size = buffer.capacity();
        used.addAndGet(-size);
        long limit = Math.min(mostIdle, Math.max(ALWAYS_KEPT, peak.get()));
        if (!reusable || closed) {
            return;
        }
        if (idle.addAndGet(size) > limit) {
            idle.addAndGet(-size);
            drop(size, limit);
        } else {
            free.computeIfAbsent(size, key -> new ConcurrentLinkedDeque<>()).addFirst(buffer);
        }
    }

    /** So many bytes of memory that didn't come from here are garbage now, as what is dropped here is. */
    void dropped(int bytes) {
        drop(bytes, MOST_GARBAGE);
    }

    // Java frees direct memory when it collects, which it doesn't do for the sake of memory outside its heap.
    private void drop(int size, long limit) {
        if (dropped.addAndGet(size) > limit) {
            dropped.set(0);
            System.gc();
        }
    }

    /** Bytes that are in use. */
    public long usedBytes() {
        return used.get();
    }

    /** Bytes that are kept although nobody uses them. */
    public long idleBytes() {
        return idle.get();
    }

    /** Forgets idle memory, and keeps none from now on. */
    public void close() {
        closed = true;
        clear();
    }

    /** Forgets idle memory. */
    public void clear() {
        for (ConcurrentLinkedDeque<ByteBuffer> bucket : free.values()) {
            for (ByteBuffer buffer = bucket.pollFirst(); buffer != null; buffer = bucket.pollFirst()) {
                idle.addAndGet(-buffer.capacity());
            }
        }
    }

    static int roundUp(int bytes) {
        if (bytes <= SMALLEST) {
            return SMALLEST;
        }
        int step = Integer.highestOneBit(bytes - 1) >> 3;
        long rounded = ((long) bytes + step - 1) / step * step;
        return rounded > Integer.MAX_VALUE - 8 ? bytes : (int) rounded;
    }
}
