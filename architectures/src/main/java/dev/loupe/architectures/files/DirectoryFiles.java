package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** A directory of this machine. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class DirectoryFiles implements ModelFiles {

    private final Path directory;

    /** The files directly in a directory, or in folders below it. */
    public DirectoryFiles(Path directory) {
        this.directory = directory;
    }

    @Override
    public String source() {
        return directory.toString();
    }

    @Override
    public boolean has(String file) {
        return Files.exists(resolve(file));
    }

    @Override
    public byte[] read(String file) {
        try {
            return Files.readAllBytes(existing(file));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + resolve(file) + ": " + e, e);
        }
    }

    @Override
    public InputStream stream(String file) {
        try {
            return Files.newInputStream(existing(file));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + source() + ": " + e, e);
        }
    }

    @Override
    public SafetensorsFile openTensors(String file) {
        return SafetensorsFile.open(existing(file));
    }

    @Override
    public List<String> list() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> String.valueOf(file.getFileName())).toList();
        } catch (IOException e) {
            throw new UncheckedIOException("Can't list " + directory + ": " + e, e);
        }
    }

    private Path existing(String file) {
        if (!has(file)) {
            throw new IllegalArgumentException(directory + " has no file " + file);
        }
        return resolve(file);
    }

    private Path resolve(String file) {
        Path path;
        try {
            path = directory.resolve(file).normalize();
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("'" + file + "' can't be the name of a file", e);
        }
        if (!path.startsWith(directory.normalize()) || file.isEmpty()) {
            throw new IllegalArgumentException(
                    "'" + file + "' is refused as the name of a file of " + directory + ": it leads out of it");
        }
        return path;
    }
}
