package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
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
        try (InputStream in = url.openStream();
                ReadableByteChannel channel = Channels.newChannel(in)) {
            int length = Math.toIntExact(url.openConnection().getContentLengthLong());
            ByteBuffer content = ByteBuffer.allocateDirect(length);
            int read = 0;
            while (content.hasRemaining() && read >= 0) {
                read = channel.read(content);
            }
            return SafetensorsFile.of(name + "/" + file, content.flip());
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + name, e);
        }
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
