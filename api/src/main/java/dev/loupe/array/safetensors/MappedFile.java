package dev.loupe.array.safetensors;

import java.io.EOFException;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A file mapped into memory through a window that moves along. The window keeps files of any size within
 * reach of a buffer, and keeps what is resident of them small: the pages of a mapping count as the process'
 * memory until it is unmapped, so a checkpoint mapped as a whole would double a model's size while it loads.
 *
 * <p>Where files can't be mapped, as on some network file systems, the window is filled by reading.
 */
final class MappedFile implements Bytes {

    private static final long WINDOW = 16 << 20;

    private static final @Nullable MethodHandle UNMAP = findUnmap();

    private final Path path;
    private final @Nullable Object identity;
    private final long size;
    private final Mapper mapper;
    private FileChannel channel;
    private @Nullable ByteBuffer window;

    /** What the window is a part of where it is read. */
    private @Nullable ByteBuffer buffer;

    private boolean isMapped = true;
    private long start;

    /** How a part of a file is mapped. */
    @FunctionalInterface
    interface Mapper {
        MappedByteBuffer map(FileChannel channel, long position, long length) throws IOException;
    }

    MappedFile(Path path) throws IOException {
        this(path, (channel, position, length) -> channel.map(FileChannel.MapMode.READ_ONLY, position, length));
    }

    MappedFile(Path path, Mapper mapper) throws IOException {
        this.path = path;
        this.mapper = mapper;
        channel = FileChannel.open(path, StandardOpenOption.READ);
        identity = identity(path);
        size = uninterrupted(FileChannel::size);
    }

    @FunctionalInterface
    private interface Call<T> {
        T of(FileChannel channel) throws IOException;
    }

    /**
     * Asks the channel, which the JDK closes if this thread is interrupted before or meanwhile: then it is opened again. The
     * interrupt stays for those who wait for something.
     */
    private <T> T uninterrupted(Call<T> call) throws IOException {
        boolean interrupted = false;
        try {
            while (true) {
                interrupted |= Thread.interrupted();
                try {
                    return call.of(channel);
                } catch (ClosedByInterruptException e) {
                    channel = FileChannel.open(path, StandardOpenOption.READ);
                    if (!Objects.equals(identity, identity(path))) {
                        throw new IOException(path + " was replaced by another file while it was read", e);
                    }
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static @Nullable Object identity(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public ByteBuffer at(long position, long most) throws IOException {
        ByteBuffer current = window;
        if (current == null || position < start || position >= start + current.capacity()) {
            long length = Math.min(WINDOW, size - position);
            if (isMapped) {
                unmap();
                current = uninterrupted(open -> map(open, position, length));
            }
            if (!isMapped) {
                current = read(position, length);
            }
            window = Objects.requireNonNull(current);
            start = position;
        }
        int offset = (int) (position - start);
        int length = (int) Math.min(most, current.capacity() - offset);
        return current.slice(offset, length).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Nothing, and {@link #isMapped} false, where it can't be mapped. */
    private ByteBuffer map(FileChannel open, long position, long length) throws IOException {
        try {
            return mapper.map(open, position, length);
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException | UnsupportedOperationException e) {
            isMapped = false;
            return ByteBuffer.allocate(0);
        }
    }

    private ByteBuffer read(long position, long length) throws IOException {
        ByteBuffer known = buffer;
        ByteBuffer into = known != null && known.capacity() >= length ? known : ByteBuffer.allocateDirect((int) length);
        buffer = into;
        into.clear().limit((int) length);
        while (into.hasRemaining()) {
            if (uninterrupted(open -> open.read(into, position + into.position())) < 0) {
                throw new EOFException(path + " ends at " + (position + into.position()) + ", it had " + size
                        + " bytes when it was opened");
            }
        }
        return into.slice(0, (int) length);
    }

    @Override
    public void close() throws IOException {
        unmap();
        channel.close();
    }

    /** No slice of the window leaves this package, and none is looked at after this. */
    private void unmap() {
        ByteBuffer current = window;
        window = null;
        if (current != null && isMapped && UNMAP != null) {
            try {
                UNMAP.invokeExact(current);
            } catch (Throwable e) {
                throw new IllegalStateException("Can't unmap a file", e);
            }
        }
    }

    /**
     * The JDK's way of unmapping at once. Java 24 and later warn on the terminal when it is used; there, and
     * where there is no such thing, mappings go at the next garbage collection.
     */
    private static @Nullable MethodHandle findUnmap() {
        if (Runtime.version().feature() >= 24) {
            return null;
        }
        try {
            Class<?> unsafe = Class.forName("sun.misc.Unsafe");
            Field instance = unsafe.getDeclaredField("theUnsafe");
            instance.setAccessible(true);
            return MethodHandles.lookup()
                    .findVirtual(unsafe, "invokeCleaner", MethodType.methodType(void.class, ByteBuffer.class))
                    .bindTo(instance.get(null));
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    }
}
