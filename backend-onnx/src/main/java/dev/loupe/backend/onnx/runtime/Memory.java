package dev.loupe.backend.onnx.runtime;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Direct memory that several tensors may share. It goes back to its pool with the last of them. */
final class Memory {

    private final ByteBuffer buffer;
    private final @Nullable MemoryPool pool;
    private final AtomicInteger owners = new AtomicInteger(1);
    private volatile boolean escaped;

    /**
     * Memory with one owner.
     *
     * @param pool where it comes from; null if it came from elsewhere
     */
    Memory(ByteBuffer buffer, @Nullable MemoryPool pool) {
        this.buffer = buffer;
        this.pool = pool;
    }

    ByteBuffer buffer() {
        return buffer;
    }

    /** Somebody outside keeps reading the bytes: they are never used for anything else. */
    void escape() {
        escaped = true;
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
