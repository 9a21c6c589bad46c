package dev.loupe.dictionaries.formats;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Counts what is read through it, and remembers its end. */
final class CountedStream extends FilterInputStream {

    private static final int END = 1024;

    private final byte[] last = new byte[END];
    private long count;

    CountedStream(InputStream in) {
        super(in);
    }

    /** Bytes read so far. */
    long count() {
        return count;
    }

    /** Whether some bytes are among the last 1,024 that were read. */
    boolean endsWith(byte... bytes) {
        int known = (int) Math.min(count, END);
        for (int start = 0; start + bytes.length <= known; start++) {
            int same = 0;
            while (same < bytes.length && last[(int) ((count - known + start + same) % END)] == bytes[same]) {
                same++;
            }
            if (same == bytes.length) {
                return true;
            }
        }
        return false;
    }

    private void remember(byte next) {
        last[(int) (count % END)] = next;
        count++;
    }

    @Override
    public int read() throws IOException {
        int next = super.read();
        if (next >= 0) {
            remember((byte) next);
        }
        return next;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        int read = super.read(target, offset, length);
        int from = Math.max(0, read - END);
        count += from;
        for (int i = from; i < read; i++) {
            remember(target[offset + i]);
        }
        return read;
    }
}
