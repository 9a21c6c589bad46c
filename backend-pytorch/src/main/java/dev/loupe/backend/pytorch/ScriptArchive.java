package dev.loupe.backend.pytorch;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * The functions that NDArray lacks, as a TorchScript archive: a zip of the source in {@code ops.py}, of the version
 * of the format, and of a pickled object of the class in that source, which has no state.
 */
final class ScriptArchive {

    private static final String SOURCE = "ops.py";
    private static final String VERSION = "10\n";

    // Pickle, protocol 2: an object of the class __torch__.Ops with the attribute training = False.
    private static final String OBJECT = "\u0080\u0002c__torch__\nOps\n)\u0081}(X\b\u0000\u0000\u0000training\u0089ub.";

    // Pickle, protocol 2: the empty tuple.
    private static final String NO_CONSTANTS = "\u0080\u0002).";

    private ScriptArchive() {}

    static byte[] build() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (InputStream source = ScriptArchive.class.getResourceAsStream(SOURCE);
                ZipOutputStream zip = new ZipOutputStream(bytes)) {
            if (source == null) {
                throw new FileNotFoundException(SOURCE + " is missing from this backend's jar");
            }
            put(zip, "ops/data.pkl", OBJECT.getBytes(StandardCharsets.ISO_8859_1));
            put(zip, "ops/code/__torch__.py", source.readAllBytes());
            put(zip, "ops/constants.pkl", NO_CONSTANTS.getBytes(StandardCharsets.ISO_8859_1));
            put(zip, "ops/version", VERSION.getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static void put(ZipOutputStream zip, String name, byte[] content) throws IOException {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(content);
        zip.closeEntry();
    }
}
