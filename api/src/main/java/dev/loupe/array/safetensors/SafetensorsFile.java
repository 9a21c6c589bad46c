package dev.loupe.array.safetensors;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * A safetensors file, open for reading. The header was checked when it was opened; the tensors are read one
 * by one when they are asked for, through a small memory-mapped window, so that an open file takes next to
 * no memory whatever its size. Safe for use from many threads.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class SafetensorsFile implements AutoCloseable {

    private final String source;
    private final Bytes bytes;
    private final Header header;
    private final long dataStart;
    private boolean closed;

    private SafetensorsFile(String source, Bytes bytes) throws IOException {
        this.source = source;
        this.bytes = bytes;
        if (bytes.size() < 8) {
            throw new IllegalArgumentException(source + " has only " + bytes.size()
                    + " bytes; a safetensors file starts with 8 bytes that give the length of its header. It is"
                    + " truncated: get it again.");
        }
        long length = bytes.at(0, 8).getLong(0);
        int headerLength = Header.checkLength(source, bytes.size(), length);
        dataStart = 8L + headerLength;
        ByteBuffer json = ByteBuffer.allocate(headerLength);
        while (json.hasRemaining()) {
            json.put(bytes.at(8L + json.position(), json.remaining()));
        }
        header = Header.parse(source, json.flip(), bytes.size() - dataStart);
    }

    /**
     * Opens a file.
     *
     * @throws IllegalArgumentException if it is damaged or not a safetensors file; says where and how
     * @throws UncheckedIOException if it can't be read
     */
    public static SafetensorsFile open(Path path) {
        try {
            return open(path.toString(), new MappedFile(path));
        } catch (NoSuchFileException e) {
            throw new UncheckedIOException("There is no file " + path, e);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + path + ": " + e.getMessage(), e);
        }
    }

    /**
     * Opens a file that is in memory already: a resource of the class path.
     *
     * @param source what to call it in messages
     * @param content its bytes, from the buffer's position to its limit; must not be written to any more
     * @throws IllegalArgumentException if it is damaged or not a safetensors file; says where and how
     */
    public static SafetensorsFile of(String source, ByteBuffer content) {
        try {
            return open(source, Bytes.of(content));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + source, e);
        }
    }

    private static SafetensorsFile open(String source, Bytes bytes) throws IOException {
        try {
            return new SafetensorsFile(source, bytes);
        } catch (IOException | RuntimeException e) {
            bytes.close();
            throw e;
        }
    }

    /** The file's path, or what it was called. */
    public String source() {
        return source;
    }

    /** The texts stored beside the tensors, by key. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata());
    }

    /** The names of the tensors, in the order of their bytes. */
    public Collection<String> names() {
        return Collections.unmodifiableSet(header.tensors().keySet());
    }

    /** Whether there is a tensor of that name. */
    public boolean contains(String name) {
        return header.tensors().containsKey(name);
    }

    /**
     * What the file says about a tensor.
     *
     * @throws IllegalArgumentException if there is no such tensor
     */
    public StoredTensor tensor(String name) {
        StoredTensor tensor = header.tensors().get(name);
        if (tensor == null) {
            throw new IllegalArgumentException(source + " has no tensor '" + name + "'; it has " + someNames());
        }
        return tensor;
    }

    /**
     * The element type of a tensor.
     *
     * @throws IllegalArgumentException if there is no such tensor, or tensors can't have its type here
     */
    public DType dtype(String name) {
        StoredTensor tensor = tensor(name);
        return tensor.dtype()
                .orElseThrow(() -> new IllegalArgumentException(source + ": tensor '" + name + "' has the data type "
                        + tensor.type() + "; only F64, F32, F16, BF16, I64, I32 and BOOL can be read. Convert it to one"
                        + " of them."));
    }

    /**
     * Reads a tensor as it is stored.
     *
     * @return a copy in memory of its own, which stays when the file is closed
     * @throws IllegalArgumentException if there is no such tensor, or tensors can't have its type
     */
    public HostTensor read(String name) {
        HostTensor result = HostTensor.allocate(dtype(name), tensor(name).shape());
        copy(name, 0, tensor(name).shape().elements(), result, 0);
        return result;
    }

    /**
     * Copies some of a tensor's elements, counted in row-major order, and converts them on the way.
     *
     * @param first the first element copied
     * @param count how many
     * @param target where they go; of any type
     * @param at the first element of the target that is written
     * @throws IllegalArgumentException if there is no such tensor or tensors can't have its type
     * @throws IndexOutOfBoundsException if either range is not inside its tensor
     */
    public synchronized void copy(String name, long first, long count, HostTensor target, long at) {
        if (closed) {
            throw new IllegalStateException(source + " is closed");
        }
        StoredTensor tensor = tensor(name);
        DType type = dtype(name);
        Objects.checkFromIndexSize(first, count, tensor.shape().elements());
        Objects.checkFromIndexSize(at, count, target.shape().elements());
        long position = dataStart + tensor.begin() + first * type.bytes();
        long next = at;
        long left = count;
        try {
            while (left > 0) {
                ByteBuffer some = bytes.at(position, left * type.bytes());
                if (some.remaining() < type.bytes()) {
                    // The window ends within an element.
                    some = straddling(position, type.bytes());
                }
                int room = target.from(next).capacity() / target.dtype().bytes();
                int whole = Math.min(room, some.remaining() / type.bytes());
                some.limit(whole * type.bytes());
                ElementCopy.copy(some, type, target, next);
                next += whole;
                left -= whole;
                position += (long) whole * type.bytes();
            }
        } catch (IOException | InternalError e) {
            // Reading a mapped file that has become shorter in the meantime is an InternalError.
            throw new UncheckedIOException(
                    "Can't read tensor '" + name + "' of " + source + ": " + e.getMessage()
                            + ". Was the file changed while it was open?",
                    e instanceof IOException io ? io : new IOException(e));
        }
    }

    private ByteBuffer straddling(long position, int width) throws IOException {
        ByteBuffer element = ByteBuffer.allocate(width).order(ByteOrder.LITTLE_ENDIAN);
        while (element.hasRemaining()) {
            element.put(bytes.at(position + element.position(), element.remaining()));
        }
        return element.flip();
    }

    private String someNames() {
        Collection<String> names = header.tensors().keySet();
        String some = String.join(", ", names.stream().limit(8).toList());
        return names.size() <= 8 ? "[" + some + "]" : names.size() + " others: [" + some + ", …]";
    }

    /** Unmaps and closes the file. What was read from it stays. Idempotent. */
    @Override
    public synchronized void close() {
        closed = true;
        try {
            bytes.close();
        } catch (IOException e) {
            throw new UncheckedIOException("Can't close " + source, e);
        }
    }

    @Override
    public String toString() {
        return source + " with " + header.tensors().size() + " tensors";
    }
}
