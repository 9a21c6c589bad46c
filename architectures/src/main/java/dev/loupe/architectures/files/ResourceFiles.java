package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Files in a folder on the class path. Read where they are: mapped in a directory, or out of the jar into memory without
 * being unpacked on the disk.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ResourceFiles implements ModelFiles {

    private static final int CHUNK = 1 << 16;

    private final Class<?> owner;
    private final String root;
    private final String name;

    /**
     * The files of a folder.
     *
     * @param owner a class of the module that has them
     * @param root the folder that this one is in, from the root of the class path, with slashes at both ends
     * @param name of the folder, also for messages
     */
    public ResourceFiles(Class<?> owner, String root, String name) {
        this.owner = owner;
        this.root = root;
        this.name = name;
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
        return owner.getResource(root + name + "/" + file);
    }

    private URL existing(String file) {
        URL url = find(file);
        if (url == null) {
            throw new IllegalArgumentException(name + " has no file " + file);
        }
        return url;
    }
}
