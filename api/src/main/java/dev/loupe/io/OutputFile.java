package dev.loupe.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A file in the making; the one way in which Loupe writes files.
 *
 * <ul>
 *   <li>The file appears under its name when it is complete, in place of one that was there. Until then, and if anything
 *       goes wrong (a full disk, an exception, Ctrl-C), what was there stays as it was, and nothing is left behind.
 *   <li>A symbolic link is followed, and what it leads to is replaced.
 *   <li>A file that is replaced keeps its permissions, and its owner and group where the process may give them. A file
 *       that couldn't be written to isn't replaced either.
 *   <li>What isn't a regular file is never replaced: a FIFO, a terminal or another character device gets the bytes one
 *       after the other; a folder, a disk or a socket is refused.
 * </ul>
 *
 * <pre>{@code
 * OutputFile.write(file, bytes);
 *
 * // Several that belong together: all are written before the first one is published.
 * try (OutputFile weights = OutputFile.replacing(data);
 *         OutputFile model = OutputFile.replacing(file)) {
 *   weights.write(channel -> …);
 *   model.write(channel -> …);
 *   weights.publish();
 *   model.publish();
 * }
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class OutputFile implements AutoCloseable {

    private final Path given;
    private final OutputTarget target;
    private final boolean replaces;
    private @Nullable Path temporary;

    /** Writes a file's bytes, from the first to the last. */
    @FunctionalInterface
    public interface Content {
        /** Writes to a channel that may be no more than a pipe. A single {@code write} may take some of the bytes only. */
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    private OutputFile(Path given, boolean replaces) {
        this.given = given;
        this.replaces = replaces;
        try {
            this.target = OutputTarget.of(given);
            if (!replaces && target.isRegularFile()) {
                throw new IOException("it exists; choose another name, or say that it be replaced");
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /**
     * A file that takes the place of one that may be there.
     *
     * @throws UncheckedIOException if it can't be written, as far as can be said before; says why
     */
    public static OutputFile replacing(Path file) {
        return new OutputFile(file, true);
    }

    /**
     * A file that isn't there yet.
     *
     * @throws UncheckedIOException if it is, or can't be written, as far as can be said before; says why
     */
    public static OutputFile creating(Path file) {
        return new OutputFile(file, false);
    }

    /**
     * Whether a file could be written, as far as can be said before: for those who would compute for an hour first.
     *
     * @throws UncheckedIOException if not; says why
     */
    public static void check(Path file) {
        replacing(file).close();
    }

    /**
     * Writes a whole file.
     *
     * @return its size in bytes
     * @throws UncheckedIOException if it can't be written; says why
     */
    public static long write(Path file, Content content) {
        try (OutputFile output = replacing(file)) {
            long bytes = output.write(content);
            output.publish();
            return bytes;
        }
    }

    /**
     * Writes a whole file.
     *
     * @throws UncheckedIOException if it can't be written; says why
     */
    public static void write(Path file, byte[] bytes) {
        write(file, channel -> writeFully(channel, ByteBuffer.wrap(bytes)));
    }

    /**
     * Writes a whole file of text, in UTF-8.
     *
     * @throws UncheckedIOException if it can't be written; says why
     */
    public static void writeString(Path file, String text) {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Writes all that remains in a buffer. */
    public static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** The path as it was given. */
    public Path path() {
        return given;
    }

    /**
     * Writes the bytes. They are on the disk when this returns, though under another name; those for a pipe are gone.
     *
     * @return how many they are
     * @throws UncheckedIOException if they can't be written; says why
     * @throws IllegalStateException if they were written before
     */
    public long write(Content content) {
        if (temporary != null) {
            throw new IllegalStateException(given + " has been written");
        }
        try {
            if (target.isStream()) {
                try (FileChannel channel = FileChannel.open(target.path(), StandardOpenOption.WRITE)) {
                    return count(channel, content);
                }
            }
            TemporaryFiles.Open open = TemporaryFiles.create(target.folder(), target.attributes());
            temporary = open.path();
            try (WritableByteChannel channel = open.channel()) {
                target.keepAttributes(open.path());
                long bytes = count(channel, content);
                if (channel instanceof FileChannel file) {
                    // Some file systems find out only now that there is no room.
                    file.force(false);
                }
                return bytes;
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private static long count(WritableByteChannel channel, Content content) throws IOException {
        CountingChannel counting = new CountingChannel(channel);
        content.writeTo(counting);
        return counting.bytes();
    }

    /**
     * Gives the file its name.
     *
     * @throws UncheckedIOException if that can't be done; says why
     */
    public void publish() {
        if (temporary != null) {
            try {
                TemporaryFiles.rename(temporary, target.path(), replaces);
            } catch (IOException e) {
                throw failed(e);
            }
        }
    }

    /** Removes what has been written and not published. */
    @Override
    public void close() {
        if (temporary != null) {
            try {
                TemporaryFiles.delete(temporary);
            } catch (IOException e) {
                throw new UncheckedIOException("Can't remove " + temporary + ": " + IoFailures.reason(e), e);
            }
        }
    }

    private UncheckedIOException failed(IOException e) {
        return new UncheckedIOException("Can't write " + given + ": " + IoFailures.reason(e), e);
    }
}
