package dev.loupe.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** Counts the bytes that go through. */
final class CountingChannel implements WritableByteChannel {

    private final WritableByteChannel channel;
    private long bytes;

    CountingChannel(WritableByteChannel channel) {
        this.channel = channel;
    }

    long bytes() {
        return bytes;
    }

    @Override
    public int write(ByteBuffer buffer) throws IOException {
        int written = channel.write(buffer);
        bytes += written;
        return written;
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
