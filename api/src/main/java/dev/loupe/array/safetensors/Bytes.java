package dev.loupe.array.safetensors;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Where a file's bytes come from. */
interface Bytes extends Closeable {

    /** How many there are. */
    long size();

    /**
     * Some bytes from a position on, in little-endian order: at least one, at most as many as asked for. They
     * may only be looked at until the next call.
     */
    ByteBuffer at(long position, long most) throws IOException;

    /** Gives memory and files back. */
    @Override
    void close() throws IOException;

    /** Bytes that are in memory already. */
    static Bytes of(ByteBuffer buffer) {
        ByteBuffer all = buffer.slice();
        return new Bytes() {
            @Override
            public long size() {
                return all.capacity();
            }

            @Override
            public ByteBuffer at(long position, long most) {
                int length = (int) Math.min(most, all.capacity() - position);
                return all.slice((int) position, length).order(ByteOrder.LITTLE_ENDIAN);
            }

            @Override
            public void close() {}
        };
    }
}
