package dev.loupe.io;

import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.CopyOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.UUID;

/** The files that are being written, each under a name that is good for nothing: a process that ends removes them. */
final class TemporaryFiles {

    private static final Set<Path> LIVE = new LinkedHashSet<>();
    private static boolean ending;
    private static boolean hooked;

    private TemporaryFiles() {}

    /** A file that is open for writing. */
    record Open(Path path, SeekableByteChannel channel) {}

    /** Makes a file in a folder. Its name doesn't contain the one it will have, which may be as long as names can be. */
    static synchronized Open create(Path folder, FileAttribute<?>... attributes) throws IOException {
        hook();
        if (ending) {
            throw new IOException("the process is ending");
        }
        Path path = folder.resolve(".loupe-" + UUID.randomUUID() + ".tmp");
        SeekableByteChannel channel =
                Files.newByteChannel(path, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes);
        LIVE.add(path);
        return new Open(path, channel);
    }

    private static void hook() {
        if (!hooked) {
            try {
                Runtime.getRuntime().addShutdownHook(new Thread(TemporaryFiles::end, "loupe-temporary-files"));
                hooked = true;
            } catch (IllegalStateException e) {
                // The process is ending already.
                ending = true;
            }
        }
    }

    private static synchronized void end() {
        ending = true;
        for (Path path : LIVE) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                // Nobody is left to be told, and the next file may still be deleted.
            }
        }
    }

    /** Gives a file its name, if the process isn't ending. */
    static synchronized void rename(Path temporary, Path name, boolean replaces) throws IOException {
        if (!LIVE.contains(temporary) || ending) {
            throw new IOException("the process is ending");
        }
        move(temporary, name, replaces);
        LIVE.remove(temporary);
    }

    private static void move(Path from, Path to, boolean replaces) throws IOException {
        if (!replaces) {
            // An atomic move would replace what has appeared there meanwhile.
            Files.move(from, to);
            return;
        }
        CopyOption[] atomically = {StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING};
        try {
            Files.move(from, to, atomically);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Deletes a file unless it has its name by now. */
    static synchronized void delete(Path temporary) throws IOException {
        if (LIVE.contains(temporary)) {
            Files.deleteIfExists(temporary);
            LIVE.remove(temporary);
        }
    }
}
