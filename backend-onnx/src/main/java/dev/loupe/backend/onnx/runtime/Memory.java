package dev.loupe.backend.onnx.runtime;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Direct memory that several tensors may share. It goes back to its pool with the last of them. What follows after the
 * longest of them can be had by one that goes on from there.
 */
final class Memory {

    private final ByteBuffer buffer;
    private final @Nullable MemoryPool pool;
    private final AtomicInteger owners = new AtomicInteger(1);
    private final AtomicInteger end;
    private volatile boolean escaped;

    /**
     * Memory with one owner.
     *
     * @param pool where it comes from; null if it came from elsewhere
     * @param end how many of its bytes are the owner's
     */
    Memory(ByteBuffer buffer, @Nullable MemoryPool pool, int end) {
        this.buffer = buffer;
        this.pool = pool;
        this.end = new AtomicInteger(end);
    }

    /** Memory from elsewhere with one owner, which has all of it. */
    Memory(ByteBuffer buffer) {
        this(buffer, null, buffer.capacity());
    }

    ByteBuffer buffer() {
        return buffer;
    }

    /** Somebody outside keeps reading the bytes: they are never used for anything else. */
    void escape() {
        escaped = true;
    }

    /**
     * Takes what follows after the first bytes, if it is there and nobody has it.
     *
     * @return whether the bytes between are the caller's to write
     */
    boolean extend(int from, int to) {
        return to <= buffer.capacity() && end.compareAndSet(from, to);
    }

    Memory share() {
        owners.incrementAndGet();
        return this;
    }

    void release() {
        if (owners.decrementAndGet() == 0 && pool != null) {
            pool.giveBack(buffer, !escaped);
        }
    }
}
