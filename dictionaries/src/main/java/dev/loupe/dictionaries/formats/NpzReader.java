package dev.loupe.dictionaries.formats;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipInputStream;
import org.jspecify.annotations.Nullable;

/**
 * NumPy's {@code .npz}: a zip of {@code .npy} arrays. Floating-point arrays in row-major order are read, as float32; nothing
 * in the file is trusted, least of all a pickle.
 */
final class NpzReader {

    private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']*)'");
    private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([0-9, ]*)\\)");
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final byte[] END_OF_DIRECTORY = {'P', 'K', 5, 6};
    private static final int LONGEST_HEADER = 65_536;
    private static final int CHUNK = 1 << 16;

    private static final int LARGE_CHUNK = 1 << 22;

    /** How much may be unpacked whatever it was packed to, and how many times as much as was read beyond that. */
    private static final long HARMLESS = 64L << 20;

    private static final long MOST_TIMES = 100;

    private final String source;
    private final CountedStream packed;
    private final DataInputStream in;
    private long unpacked;

    private NpzReader(String source, CountedStream packed, DataInputStream in) {
        this.source = source;
        this.packed = packed;
        this.in = in;
    }

    static Map<String, HostTensor> read(InputStream in, String source) throws IOException {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        CountedStream packed = new CountedStream(in);
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(packed, CHUNK))) {
            NpzReader reader = new NpzReader(source, packed, new DataInputStream(zip));
            for (ZipEntry entry = next(zip); entry != null; entry = next(zip)) {
                String name = entry.getName();
                if (!name.endsWith(".npy")) {
                    throw bad(source, name, "is no .npy array");
                }
                String array = name.substring(0, name.length() - 4);
                if (arrays.put(array, reader.array(array)) != null) {
                    throw bad(source, array, "stands in it twice");
                }
            }
            packed.transferTo(OutputStream.nullOutputStream());
            // Cut off between two arrays, a zip lacks nothing but its directory, and maybe further arrays.
            if (!arrays.isEmpty() && !packed.endsWith(END_OF_DIRECTORY)) {
                throw new EOFException("it ends after '" + name(arrays) + "', without the directory of a zip");
            }
        } catch (ZipException | EOFException e) {
            String why = e.getMessage() == null ? "it ends too early" : e.getMessage();
            throw new IllegalArgumentException(source + " is damaged: " + why + ". Get the file again", e);
        }
        if (arrays.isEmpty()) {
            throw new IllegalArgumentException(source + " is no .npz file: it isn't a zip of arrays");
        }
        return arrays;
    }

    private static String name(Map<String, HostTensor> arrays) {
        return new ArrayList<>(arrays.keySet()).get(arrays.size() - 1);
    }

    private static @Nullable ZipEntry next(ZipInputStream zip) throws IOException {
        try {
            return zip.getNextEntry();
        } catch (IllegalArgumentException e) {
            // So the JDK says that a name isn't UTF-8.
            throw new ZipException("the name of an array can't be read: " + e.getMessage());
        }
    }

    private HostTensor array(String name) throws IOException {
        byte[] magic = new byte[8];
        in.readFully(magic);
        for (int i = 0; i < MAGIC.length; i++) {
            if (magic[i] != MAGIC[i]) {
                throw bad(source, name, "doesn't begin as NumPy's arrays do");
            }
        }
        byte[] length = new byte[magic[6] == 1 ? 2 : 4];
        in.readFully(length);
        ByteBuffer little = ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN);
        long size =
                length.length == 2 ? Short.toUnsignedInt(little.getShort()) : Integer.toUnsignedLong(little.getInt());
        if (size > LONGEST_HEADER) {
            throw bad(source, name, "has a header of " + size + " bytes");
        }
        byte[] header = new byte[(int) size];
        in.readFully(header);
        String text = new String(header, StandardCharsets.ISO_8859_1);
        String descr = group(DESCR, text, source, name, "descr");
        boolean columnMajor = group(ORDER, text, source, name, "fortran_order").equals("True");
        Shape shape = shape(group(SHAPE, text, source, name, "shape"), source, name);
        if (columnMajor && shape.rank() > 2) {
            throw bad(source, name, "has " + shape.rank() + " axes in column-major order; a dictionary has matrices");
        }
        boolean exchanged = columnMajor && shape.rank() == 2;
        HostTensor numbers = numbers(name, descr, exchanged ? Shape.of(shape.size(1), shape.size(0)) : shape);
        return exchanged ? DictionaryArrays.transposed(numbers) : numbers;
    }

    private HostTensor numbers(String name, String descr, Shape shape) throws IOException {
        return switch (descr) {
            case "<f4" -> copied(name, DType.FLOAT32, shape);
            case "<f8" -> copied(name, DType.FLOAT64, shape).to(DType.FLOAT32);
            case "<f2" -> copied(name, DType.FLOAT16, shape).to(DType.FLOAT32);
            default -> throw bad(source, name, "is of type '" + descr + "'; known are <f2, <f4 and <f8");
        };
    }

    private static String group(Pattern pattern, String header, String source, String name, String key) {
        Matcher matcher = pattern.matcher(header);
        if (!matcher.find()) {
            throw bad(source, name, "has no '" + key + "' in its header");
        }
        return matcher.group(1);
    }

    private static Shape shape(String list, String source, String name) {
        try {
            long[] sizes = java.util.Arrays.stream(list.split(","))
                    .map(String::strip)
                    .filter(size -> !size.isEmpty())
                    .mapToLong(Long::parseLong)
                    .toArray();
            Shape shape = Shape.of(sizes);
            if (shape.elements() < 0) {
                throw new ArithmeticException("negative");
            }
            return shape;
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw bad(source, name, "has the shape (" + list + "), which can't be");
        }
    }

    /** Memory is taken as the file is read, so that a header alone can't ask for much. */
    private HostTensor copied(String name, DType dtype, Shape shape) throws IOException {
        long largest = Integer.MAX_VALUE - 8;
        if (shape.elements() > largest / dtype.bytes()) {
            throw bad(
                    source,
                    name,
                    dtype + " " + shape + " is larger than 2 GiB: save it as float16, or the dictionary"
                            + " as params.safetensors");
        }
        long bytes = shape.elements() * dtype.bytes();
        List<byte[]> chunks = new ArrayList<>();
        for (long done = 0; done < bytes; ) {
            byte[] chunk = in.readNBytes((int) Math.min(LARGE_CHUNK, bytes - done));
            if (chunk.length == 0) {
                throw new EOFException(
                        "the array '" + name + "' " + shape + " ends after " + done + " of " + bytes + " bytes");
            }
            done += chunk.length;
            unpacked += chunk.length;
            if (unpacked > HARMLESS && unpacked / MOST_TIMES > packed.count()) {
                throw bad(
                        source,
                        name,
                        "unpacks to more than " + MOST_TIMES + " times its size; weights don't, and it"
                                + " isn't unpacked any further");
            }
            chunks.add(chunk);
        }
        HostTensor tensor = HostTensor.allocate(dtype, shape);
        ByteBuffer to = tensor.data().duplicate().order(ByteOrder.LITTLE_ENDIAN);
        boolean little = tensor.data().order() == ByteOrder.LITTLE_ENDIAN;
        for (byte[] chunk : chunks) {
            to.put(little ? chunk : turned(chunk, dtype.bytes()));
        }
        return tensor;
    }

    private static byte[] turned(byte[] littleEndian, int width) {
        byte[] turned = new byte[littleEndian.length];
        for (int i = 0; i < turned.length; i++) {
            turned[i] = littleEndian[i - i % width + width - 1 - i % width];
        }
        return turned;
    }

    private static IllegalArgumentException bad(String source, String name, String why) {
        return new IllegalArgumentException(source + ": '" + name + "' " + why);
    }
}
