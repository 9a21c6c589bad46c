package dev.loupe.architectures.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Keeps others from fetching the same file at the same time: other threads by a lock of Java's, which file
 * locks don't see, and other processes by a lock on a file.
 */
final class BlobLock implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(BlobLock.class.getName());
    private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();

    private final Path file;
    private final ReentrantLock threads;
    private final FileChannel channel;

    private BlobLock(Path file, ReentrantLock threads, FileChannel channel) {
        this.file = file;
        this.threads = threads;
        this.channel = channel;
    }

    /** Waits until nobody else holds the lock. */
    static BlobLock acquire(Path file) throws IOException {
        ReentrantLock threads = THREADS.computeIfAbsent(file.toAbsolutePath().normalize(), path -> new ReentrantLock());
        threads.lock();
        try {
            Files.createDirectories(file.resolveSibling(""));
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                lock(channel, file);
                return new BlobLock(file, threads, channel);
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            threads.unlock();
            throw e;
        }
    }

    /** The lock ends with the channel. */
    private static void lock(FileChannel channel, Path file) throws IOException {
        FileLock lock = channel.tryLock();
        if (lock == null) {
            LOG.log(System.Logger.Level.INFO, "Waiting for another process that is fetching the same file ({0})", file);
            channel.lock();
        }
    }

    @Override
    public String toString() {
        return file.toString();
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            threads.unlock();
        }
    }
}
