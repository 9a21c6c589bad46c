package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model that comes with Loupe, on the class path. Read where it is: mapped in a directory, or out of the jar
 * into memory without being unpacked on the disk.
 */
public final class BundledFiles implements ModelFiles {

    private static final String ROOT = "/dev/loupe/architectures/bundled/";
    private static final List<String> NAMES = List.of("toy-gpt2", "toy-llama", "toy-mistral");

    private static final int CHUNK = 1 << 16;

    private final String name;

    /**
     * The files of a bundled model.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public BundledFiles(String name) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException("There is no bundled model '" + name + "'; there are " + NAMES);
        }
        this.name = name;
    }

    /** The names of the models that come with Loupe. */
    public static List<String> names() {
        return NAMES;
    }

    @Override
    public String source() {
        return name;
    }

    @Override
    public boolean has(String file) {
        return find(file) != null;
    }

    @Override
    public byte[] read(String file) {
        try (InputStream in = existing(file).openStream()) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + name, e);
        }
    }

    @Override
    public SafetensorsFile openTensors(String file) {
        URL url = existing(file);
        if (url.getProtocol().equals("file")) {
            return SafetensorsFile.open(Path.of(URI.create(url.toString())));
        }
        try (InputStream in = url.openStream()) {
            int length = Math.toIntExact(url.openConnection().getContentLengthLong());
            return SafetensorsFile.of(name + "/" + file, content(in, length));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + name, e);
        }
    }

    // Not by a channel over the stream, which fails on a thread that is interrupted.
    static ByteBuffer content(InputStream in, int length) throws IOException {
        ByteBuffer content = ByteBuffer.allocateDirect(length);
        byte[] chunk = new byte[CHUNK];
        while (content.hasRemaining()) {
            int read = in.read(chunk, 0, Math.min(chunk.length, content.remaining()));
            if (read < 0) {
                break;
            }
            content.put(chunk, 0, read);
        }
        return content.flip();
    }

    private @Nullable URL find(String file) {
        return BundledFiles.class.getResource(ROOT + name + "/" + file);
    }

    private URL existing(String file) {
        URL url = find(file);
        if (url == null) {
            throw new IllegalArgumentException(name + " has no file " + file);
        }
        return url;
    }
}
