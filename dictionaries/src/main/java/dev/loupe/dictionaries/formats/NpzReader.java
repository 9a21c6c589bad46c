package dev.loupe.dictionaries.formats;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipInputStream;

/**
 * NumPy's {@code .npz}: a zip of {@code .npy} arrays. Floating-point arrays in row-major order are read, as float32; nothing
 * in the file is trusted, least of all a pickle.
 */
final class NpzReader {

    private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']*)'");
    private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([0-9, ]*)\\)");
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int LONGEST_HEADER = 65_536;
    private static final int CHUNK = 1 << 16;

    private NpzReader() {}

    static Map<String, HostTensor> read(InputStream in, String source) throws IOException {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(in, CHUNK))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                String name = entry.getName();
                if (!name.endsWith(".npy")) {
                    throw bad(source, name, "is no .npy array");
                }
                String array = name.substring(0, name.length() - 4);
                if (arrays.put(array, array(new DataInputStream(zip), source, array)) != null) {
                    throw bad(source, array, "stands in it twice");
                }
            }
        } catch (ZipException | EOFException e) {
            throw new IllegalArgumentException(source + " is damaged: " + e.getMessage(), e);
        }
        if (arrays.isEmpty()) {
            throw new IllegalArgumentException(source + " is no .npz file: it isn't a zip of arrays");
        }
        return arrays;
    }

    private static HostTensor array(DataInputStream in, String source, String name) throws IOException {
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
        if (group(ORDER, text, source, name, "fortran_order").equals("True")) {
            throw bad(source, name, "is in column-major order; save it with numpy.ascontiguousarray");
        }
        Shape shape = shape(group(SHAPE, text, source, name, "shape"), source, name);
        return switch (descr) {
            case "<f4" -> copied(in, DType.FLOAT32, shape);
            case "<f8" -> copied(in, DType.FLOAT64, shape).to(DType.FLOAT32);
            case "<f2" -> copied(in, DType.FLOAT16, shape).to(DType.FLOAT32);
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
            return Shape.of(sizes);
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw bad(source, name, "has the shape (" + list + "), which can't be");
        }
    }

    /** Memory is taken as the file is read, so that a header alone can't ask for much. */
    private static HostTensor copied(DataInputStream in, DType dtype, Shape shape) throws IOException {
        long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
        if (bytes > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("An array of " + bytes + " bytes is larger than 2 GiB: convert it to"
                    + " float16, or save it as params.safetensors");
        }
        byte[] content = in.readNBytes((int) bytes);
        if (content.length < bytes) {
            throw new EOFException("an array " + shape + " ends after " + content.length + " of " + bytes + " bytes");
        }
        HostTensor tensor = HostTensor.allocate(dtype, shape);
        ByteBuffer from = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer to = tensor.data();
        for (int i = 0; i < content.length; i += dtype.bytes()) {
            switch (dtype.bytes()) {
                case 2 -> to.putShort(i, from.getShort(i));
                case 4 -> to.putInt(i, from.getInt(i));
                default -> to.putLong(i, from.getLong(i));
            }
        }
        return tensor;
    }

    private static IllegalArgumentException bad(String source, String name, String why) {
        return new IllegalArgumentException(source + ": '" + name + "' " + why);
    }
}
