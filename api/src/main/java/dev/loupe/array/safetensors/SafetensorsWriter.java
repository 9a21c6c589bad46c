package dev.loupe.array.safetensors;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Json;
import dev.loupe.array.Shape;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Collects named tensors and writes them to a safetensors file. Tensors may be given as suppliers, which are
 * asked one after the other while the file is written, so that they need not all be in memory at once.
 */
public final class SafetensorsWriter {

    private static final int CHUNK = 1 << 20;

    private record Pending(DType dtype, Shape shape, Supplier<HostTensor> data) {}

    private final Map<String, Pending> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    /** A writer with nothing to write yet. */
    public SafetensorsWriter() {}

    /** Adds a text to be stored beside the tensors. */
    public SafetensorsWriter metadata(String key, String value) {
        metadata.put(key, value);
        return this;
    }

    /**
     * Adds a tensor.
     *
     * @throws IllegalArgumentException if the name was added before
     */
    public SafetensorsWriter add(String name, HostTensor tensor) {
        return add(name, tensor.dtype(), tensor.shape(), () -> tensor);
    }

    /**
     * Adds a tensor that is asked for when its turn to be written comes.
     *
     * @throws IllegalArgumentException if the name was added before
     */
    public SafetensorsWriter add(String name, DType dtype, Shape shape, Supplier<HostTensor> data) {
        if (name.equals(Header.METADATA)) {
            throw new IllegalArgumentException("A tensor can't be called '" + name + "'");
        }
        if (tensors.putIfAbsent(name, new Pending(dtype, shape, data)) != null) {
            throw new IllegalArgumentException("There is a tensor '" + name + "' already");
        }
        return this;
    }

    /**
     * Writes the file, as {@link OutputFile} does: whole or not at all. Wider types come first, as the format's own
     * tools do it, so that every tensor is aligned; otherwise the order of adding is kept.
     *
     * @throws java.io.UncheckedIOException if it can't be written; nothing is left behind then
     */
    public void write(Path file) {
        OutputFile.write(file, this::writeTo);
    }

    private void writeTo(WritableByteChannel channel) throws IOException {
        List<Map.Entry<String, Pending>> order = new ArrayList<>(tensors.entrySet());
        order.sort(Comparator.comparingInt(entry -> -entry.getValue().dtype().bytes()));
        byte[] header = header(order).getBytes(StandardCharsets.UTF_8);
        ByteBuffer start = ByteBuffer.allocate(8 + header.length).order(ByteOrder.LITTLE_ENDIAN);
        OutputFile.writeFully(channel, start.putLong(header.length).put(header).flip());
        for (Map.Entry<String, Pending> entry : order) {
            Pending expected = entry.getValue();
            HostTensor tensor = expected.data().get();
            if (tensor.dtype() != expected.dtype() || !tensor.shape().equals(expected.shape())) {
                throw new IllegalStateException("Tensor '" + entry.getKey() + "' was announced as " + expected.dtype()
                        + " " + expected.shape() + ", but came as " + tensor);
            }
            writeElements(channel, tensor);
        }
    }

    private String header(List<Map.Entry<String, Pending>> order) {
        List<String> entries = new ArrayList<>();
        if (!metadata.isEmpty()) {
            List<String> texts = new ArrayList<>();
            metadata.forEach((key, value) -> texts.add(Json.quote(key) + ":" + Json.quote(value)));
            entries.add(Json.quote(Header.METADATA) + ":{" + String.join(",", texts) + "}");
        }
        long offset = 0;
        for (Map.Entry<String, Pending> entry : order) {
            Pending tensor = entry.getValue();
            long end = offset + tensor.shape().elements() * tensor.dtype().bytes();
            entries.add(Json.quote(entry.getKey()) + ":{\"dtype\":"
                    + Json.quote(tensor.dtype().safetensorsName()) + ",\"shape\":"
                    + tensor.shape().toString().replace(" ", "") + ",\"data_offsets\":[" + offset + "," + end + "]}");
            offset = end;
        }
        String json = "{" + String.join(",", entries) + "}";
        // The data begins at a multiple of 8, so that it can be mapped and used as it is.
        int bytes = json.getBytes(StandardCharsets.UTF_8).length;
        return json + " ".repeat((8 - bytes % 8) % 8);
    }

    private static void writeElements(WritableByteChannel channel, HostTensor tensor) throws IOException {
        for (ByteBuffer part : tensor.parts()) {
            writeElements(channel, part.duplicate().clear(), tensor.dtype().bytes());
        }
    }

    private static void writeElements(WritableByteChannel channel, ByteBuffer data, int width) throws IOException {
        if (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN || width == 1) {
            OutputFile.writeFully(channel, data);
            return;
        }
        ByteBuffer swapped = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < data.capacity(); i += CHUNK) {
            ByteBuffer some =
                    data.slice(i, Math.min(CHUNK, data.capacity() - i)).order(ByteOrder.nativeOrder());
            swapped.clear();
            ElementCopy.copySame(some, width, swapped);
            OutputFile.writeFully(channel, swapped.position(0).limit(some.capacity()));
        }
    }
}
