package dev.loupe.backend.reference;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Spreads the work of one op over several threads, the calling one among them.
 *
 * <p>Work is cut into blocks of outputs, and what makes up one output, such as a sum, is never split between
 * blocks: so the number of threads never shows in the result.
 */
final class Workers implements AutoCloseable {

    private static final int IDLE_SECONDS = 5;

    private final int threads;
    private final ThreadPoolExecutor helpers;

    /** Some consecutive items of the work. */
    @FunctionalInterface
    interface Block {
        /** Does the items {@code from <= i < to}. */
        void run(int from, int to);
    }

    /** Workers that keep so many threads busy at once. Their threads are daemons and end when idle. */
    Workers(int threads) {
        this.threads = threads;
        AtomicInteger number = new AtomicInteger();
        int pooled = Math.max(1, threads - 1);
        helpers = new ThreadPoolExecutor(
                pooled, pooled, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), work -> {
                    Thread thread = new Thread(work, "loupe-reference-" + number.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
        helpers.allowCoreThreadTimeOut(true);
    }

    /** Threads that work at once, the calling one among them. */
    int threads() {
        return threads;
    }

    /**
     * Does {@code items} pieces of work in blocks of {@code blockSize}, and returns when all are done. A
     * single block is done by the calling thread alone: waking others costs some ten microseconds, so a block
     * should be worth more than that.
     *
     * <p>If a block throws, the blocks not yet begun are dropped and its exception is thrown here.
     */
    void forBlocks(int items, int blockSize, Block block) {
        int blocks = (int) (((long) items + blockSize - 1) / blockSize);
        if (blocks <= 1 || threads == 1) {
            for (int from = 0; from < items; from += Math.min(blockSize, items - from)) {
                block.run(from, from + Math.min(blockSize, items - from));
            }
            return;
        }
        Job job = new Job(items, blockSize, blocks, block);
        for (int i = 0; i < Math.min(threads, blocks) - 1; i++) {
            helpers.execute(job);
        }
        job.run();
        job.await();
    }

    /** Blocks that the calling thread and its helpers take from one counter. A late helper finds none left. */
    private static final class Job implements Runnable {
        private final int items;
        private final int blockSize;
        private final int blocks;
        private final Block block;
        private final AtomicInteger next = new AtomicInteger();
        private final CountDownLatch unfinished;
        private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

        Job(int items, int blockSize, int blocks, Block block) {
            this.items = items;
            this.blockSize = blockSize;
            this.blocks = blocks;
            this.block = block;
            this.unfinished = new CountDownLatch(blocks);
        }

        @Override
        public void run() {
            for (int i = next.getAndIncrement(); i < blocks; i = next.getAndIncrement()) {
                try {
                    if (failure.get() == null) {
                        int from = i * blockSize;
                        block.run(from, from + Math.min(blockSize, items - from));
                    }
                } catch (Throwable thrown) {
                    failure.compareAndSet(null, thrown);
                } finally {
                    unfinished.countDown();
                }
            }
        }

        void await() {
            boolean interrupted = false;
            while (true) {
                try {
                    unfinished.await();
                    break;
                } catch (InterruptedException e) {
                    // The blocks write into arrays that the caller owns, so they are waited for all the same.
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            Throwable thrown = failure.get();
            if (thrown instanceof Error error) {
                throw error;
            } else if (thrown instanceof RuntimeException exception) {
                throw exception;
            }
        }
    }

    /** Lets the threads end as soon as they have nothing to do. Work may still come, of tensors that are still in use. */
    @Override
    public void close() {
        helpers.setKeepAliveTime(1, TimeUnit.MILLISECONDS);
    }
}
