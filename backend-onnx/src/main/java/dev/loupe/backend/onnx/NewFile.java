package dev.loupe.backend.onnx;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** A file in the making: it has a temporary name beside its own until it is published, and goes if it isn't. */
final class NewFile implements AutoCloseable {

    private final @Nullable Path path;
    private final @Nullable Path temporary;

    /** Writes the whole file. */
    @FunctionalInterface
    interface Content {
        void write(FileChannel channel) throws IOException;
    }

    /**
     * A file that will be.
     *
     * @throws FileAlreadyExistsException if it is there and isn't to be replaced
     * @throws NoSuchFileException if its folder isn't there
     */
    NewFile(Path path, boolean replaces) throws IOException {
        Path absolute = path.toAbsolutePath();
        Path folder = absolute.getParent();
        if (folder == null || Files.isDirectory(absolute)) {
            throw new IOException("Can't write to " + path + ": it is a folder");
        }
        if (!replaces && Files.exists(absolute)) {
            throw new FileAlreadyExistsException(path + " exists; choose another name, or say that it be replaced");
        }
        if (!Files.isDirectory(folder)) {
            throw new NoSuchFileException("Can't write to " + path + ": there is no folder " + folder);
        }
        this.path = path;
        this.temporary = folder.resolve("." + absolute.getFileName() + "." + UUID.randomUUID() + ".tmp");
    }

    private NewFile() {
        this.path = null;
        this.temporary = null;
    }

    /** No file. */
    static NewFile none() {
        return new NewFile();
    }

    Path path() {
        return required(path);
    }

    /** Writes the file under its temporary name; gives its size. */
    long write(Content content) throws IOException {
        Path file = required(temporary);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            content.write(channel);
            return channel.size();
        }
    }

    private static Path required(@Nullable Path path) {
        if (path == null) {
            throw new IllegalStateException("There is no such file");
        }
        return path;
    }

    /** Gives the file its name. */
    void publish() throws IOException {
        if (temporary == null) {
            return;
        }
        try {
            Files.move(temporary, path(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(temporary, path(), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    @Override
    public void close() throws IOException {
        if (temporary != null) {
            Files.deleteIfExists(temporary);
        }
    }
}
