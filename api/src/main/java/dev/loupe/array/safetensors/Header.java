package dev.loupe.array.safetensors;

import dev.loupe.array.Json;
import dev.loupe.array.Shape;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A file's header, checked: every tensor's bytes are where it says, as many as its type and shape need, and
 * every byte belongs to one tensor. Nothing that is read later can then lie outside the file.
 *
 * @param metadata free text by key
 * @param tensors in the order of their bytes, by name
 */
record Header(Map<String, String> metadata, Map<String, StoredTensor> tensors) {

    /** The format's own limit, which keeps a damaged length from claiming all memory. */
    static final long MAX_LENGTH = 100_000_000;

    /** The first eight bytes of a Git LFS pointer, {@code "version "}, read as a length. */
    private static final long LFS_POINTER = 0x206e6f6973726576L;

    static final String METADATA = "__metadata__";

    /** Bits of an element of every type that the format knows. */
    private static final Map<String, Integer> BITS = new TreeMap<>(Map.ofEntries(
            Map.entry("BOOL", 8),
            Map.entry("F4", 4),
            Map.entry("F6_E2M3", 6),
            Map.entry("F6_E3M2", 6),
            Map.entry("U8", 8),
            Map.entry("I8", 8),
            Map.entry("F8_E5M2", 8),
            Map.entry("F8_E4M3", 8),
            Map.entry("F8_E8M0", 8),
            Map.entry("I16", 16),
            Map.entry("U16", 16),
            Map.entry("F16", 16),
            Map.entry("BF16", 16),
            Map.entry("I32", 32),
            Map.entry("U32", 32),
            Map.entry("F32", 32),
            Map.entry("F64", 64),
            Map.entry("I64", 64),
            Map.entry("U64", 64),
            Map.entry("C64", 64)));

    private static final String DAMAGED = " The file is damaged or not a safetensors file: get it again.";

    /** Checks the length that the first eight bytes give. */
    static int checkLength(String source, long fileSize, long length) {
        if (length == LFS_POINTER) {
            throw new IllegalArgumentException(source + " is a Git LFS pointer, not the file itself."
                    + " Run 'git lfs pull' where the checkpoint was cloned.");
        }
        String problem;
        if (length < 0 || length > MAX_LENGTH) {
            problem = "gives its header a length of " + Long.toUnsignedString(length) + " bytes; at most " + MAX_LENGTH
                    + " are allowed.";
        } else if (length < 2) {
            problem = "gives its header a length of " + length + " bytes; even an empty one has 2.";
        } else if (length > fileSize - 8) {
            problem = "gives its header a length of " + length + " bytes, but has only " + (fileSize - 8)
                    + " after the first 8: it is truncated, or no safetensors file. Get it again.";
            throw new IllegalArgumentException(source + " " + problem);
        } else {
            return (int) length;
        }
        throw new IllegalArgumentException(source + " " + problem + DAMAGED);
    }

    /**
     * Parses and checks a header.
     *
     * @param source the file, for messages
     * @param dataSize bytes after the header
     */
    static Header parse(String source, ByteBuffer json, long dataSize) {
        Object value;
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(json)
                    .toString();
            value = Json.parse(text);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(source + ": the header is not UTF-8." + DAMAGED, e);
        } catch (Json.JsonException e) {
            throw new IllegalArgumentException(
                    source + ": the header can't be read as JSON: " + e.getMessage() + "." + DAMAGED, e);
        }
        if (!(value instanceof Map<?, ?> entries)) {
            throw new IllegalArgumentException(source + ": the header is not a JSON object." + DAMAGED);
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        List<StoredTensor> tensors = new ArrayList<>();
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            String name = String.valueOf(entry.getKey());
            if (name.equals(METADATA)) {
                metadata.putAll(metadata(source, entry.getValue()));
            } else {
                tensors.add(tensor(source, name, entry.getValue()));
            }
        }
        tensors.sort(Comparator.comparingLong(StoredTensor::begin).thenComparingLong(StoredTensor::end));
        checkPlaces(source, tensors, dataSize);
        Map<String, StoredTensor> byName = new LinkedHashMap<>();
        tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
        return new Header(metadata, byName);
    }

    private static Map<String, String> metadata(String source, @Nullable Object value) {
        Map<String, String> result = new LinkedHashMap<>();
        if (!(value instanceof Map<?, ?> entries)) {
            throw new IllegalArgumentException(
                    source + ": " + METADATA + " should be a JSON object, found " + value + "." + DAMAGED);
        }
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            if (!(entry.getValue() instanceof String text)) {
                throw new IllegalArgumentException(source + ": " + METADATA + " should hold texts only, found "
                        + entry.getValue() + " for '" + entry.getKey() + "'." + DAMAGED);
            }
            result.put(String.valueOf(entry.getKey()), text);
        }
        return result;
    }

    private static StoredTensor tensor(String source, String name, @Nullable Object value) {
        String where = source + ": tensor '" + name + "' ";
        if (!(value instanceof Map<?, ?> fields)
                || !(fields.get("dtype") instanceof String type)
                || !(fields.get("shape") instanceof List<?> shape)
                || !(fields.get("data_offsets") instanceof List<?> offsets)) {
            throw new IllegalArgumentException(
                    where + "should have a dtype, a shape and data_offsets, found " + value + "." + DAMAGED);
        }
        Integer bits = BITS.get(type);
        if (bits == null) {
            throw new IllegalArgumentException(
                    where + "has the data type '" + type + "', which the format doesn't know; it knows " + BITS.keySet()
                            + ". Get or convert the file again.");
        }
        long[] sizes = wholeNumbers(where, "shape", shape);
        long[] places = wholeNumbers(where, "data_offsets", offsets);
        if (places.length != 2 || places[0] > places[1]) {
            throw new IllegalArgumentException(
                    where + "should have data_offsets [begin, end], found " + offsets + "." + DAMAGED);
        }
        Shape tensorShape;
        long needed;
        try {
            tensorShape = Shape.of(sizes);
            needed = Math.multiplyExact(tensorShape.elements(), bits);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new IllegalArgumentException(
                    where + "has the shape " + Arrays.toString(sizes) + ", more elements than any file can hold."
                            + DAMAGED,
                    e);
        }
        long found = places[1] - places[0];
        if (needed % 8 != 0 || needed / 8 != found) {
            throw new IllegalArgumentException(where + "of type " + type + " and shape " + tensorShape + " needs "
                    + (needed + 7) / 8 + " bytes, but its data_offsets " + offsets + " hold " + found + "." + DAMAGED);
        }
        return new StoredTensor(name, type, tensorShape, places[0], places[1]);
    }

    private static long[] wholeNumbers(String where, String field, List<?> values) {
        long[] result = new long[values.size()];
        for (int i = 0; i < result.length; i++) {
            if (!(values.get(i) instanceof Long number) || number < 0) {
                throw new IllegalArgumentException(where + "should have whole numbers from 0 on as " + field
                        + ", found " + values + "." + DAMAGED);
            }
            result[i] = number;
        }
        return result;
    }

    private static void checkPlaces(String source, List<StoredTensor> tensors, long dataSize) {
        long next = 0;
        String before = "the header";
        for (StoredTensor tensor : tensors) {
            String where = source + ": tensor '" + tensor.name() + "' at bytes " + tensor.begin() + " to "
                    + tensor.end() + " ";
            if (tensor.begin() < next) {
                throw new IllegalArgumentException(
                        where + "overlaps " + before + ", which ends at " + next + "." + DAMAGED);
            }
            if (tensor.begin() > next) {
                throw new IllegalArgumentException(where
                        + (tensor.begin() > dataSize
                                ? "lies out of range: the file has " + dataSize + " bytes of data."
                                : "leaves a gap after " + before + ", which ends at " + next + ".")
                        + DAMAGED);
            }
            if (tensor.end() > dataSize) {
                throw new IllegalArgumentException(where + "goes past the end of the file, which has " + dataSize
                        + " bytes of data where the header promises "
                        + tensors.get(tensors.size() - 1).end() + ": the file is truncated. Get it again.");
            }
            next = tensor.end();
            before = "tensor '" + tensor.name() + "'";
        }
        if (next != dataSize) {
            throw new IllegalArgumentException(
                    source + ": " + (dataSize - next) + " bytes after " + before + " belong to no tensor." + DAMAGED);
        }
    }
}
