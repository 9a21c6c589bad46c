package dev.loupe.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.StandardCharsets;
import java.nio.charset.UnsupportedCharsetException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Where results go. Java's own {@code System.out} keeps to itself that the disk is full; this says so, at once, so that
 * a command that is computing for nobody ends.
 */
final class StandardOutput extends OutputStream {

    private final OutputStream stream;
    private boolean lost;

    /** What was printed didn't arrive. */
    static final class LostException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final boolean unwanted;

        LostException(IOException cause) {
            super("Standard output can't be written to: " + cause.getMessage(), cause);
            String reason = String.valueOf(cause.getMessage()).toLowerCase(Locale.ROOT);
            // Linux, macOS; Windows.
            this.unwanted = reason.contains("broken pipe") || reason.contains("pipe is being closed");
        }

        /** Whether the reader has gone, as {@code head} does when it has enough. */
        boolean isUnwanted() {
            return unwanted;
        }
    }

    StandardOutput(OutputStream stream) {
        this.stream = stream;
    }

    /** Standard output of this process. */
    static PrintWriter open() {
        return writer(new FileOutputStream(FileDescriptor.out));
    }

    /** Prints to a stream; throws {@link LostException} where that fails. */
    static PrintWriter writer(OutputStream stream) {
        return new PrintWriter(new OutputStreamWriter(new StandardOutput(stream), charset()));
    }

    /** That of the terminal. Where the locale has none but ASCII, UTF-8: most text has other letters too. */
    static Charset charset() {
        for (String property : new String[] {"stdout.encoding", "sun.stdout.encoding", "native.encoding"}) {
            Charset charset = charset(System.getProperty(property));
            if (charset != null) {
                return charset.equals(StandardCharsets.US_ASCII) ? StandardCharsets.UTF_8 : charset;
            }
        }
        return StandardCharsets.UTF_8;
    }

    private static @Nullable Charset charset(@Nullable String name) {
        try {
            return name == null || name.isEmpty() ? null : Charset.forName(name);
        } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
            return null;
        }
    }

    private interface Action {
        void run() throws IOException;
    }

    private void attempt(Action action) {
        // What is still in buffers when the first failure is known fails in the same way.
        if (!lost) {
            try {
                action.run();
            } catch (IOException e) {
                lost = true;
                throw new LostException(e);
            }
        }
    }

    @Override
    public void write(int b) {
        attempt(() -> stream.write(b));
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        attempt(() -> stream.write(bytes, offset, length));
    }

    @Override
    public void flush() {
        attempt(stream::flush);
    }

    @Override
    public void close() {
        attempt(stream::close);
    }
}
