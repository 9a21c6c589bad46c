package dev.loupe.architectures.progress;

import java.io.Console;
import java.time.Duration;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A bar on stderr for a task measured in bytes, once the task has taken a second; what is faster passes
 * without a word. On a terminal the bar moves, elsewhere a line is written now and then. Used by one thread.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Progress implements AutoCloseable {

    private static final long PATIENCE = Duration.ofSeconds(1).toNanos();
    private static final int WIDTH = 100;
    private static final long MEGABYTE = 1_000_000;

    private final String task;
    private final long total;
    private final long begin = System.nanoTime();
    private final boolean shown;
    private long done;
    private @Nullable ProgressBar bar;

    private Progress(String task, long total, boolean shown) {
        this.task = task;
        this.total = total;
        this.shown = shown;
    }

    /**
     * Begins a task.
     *
     * @param task what is done, in two or three words
     * @param total how many bytes there are to do; negative if nobody knows
     * @param shown false if nothing is to be written
     */
    public static Progress of(String task, long total, boolean shown) {
        return new Progress(task, total, shown);
    }

    /** The first bytes were done before, and don't count for the speed. */
    public void startAt(long bytes) {
        done = bytes;
    }

    /** So many bytes more are done. */
    public void add(long bytes) {
        done += bytes;
        if (bar != null) {
            bar.stepTo(done);
        } else if (shown && System.nanoTime() - begin > PATIENCE) {
            bar = open();
        }
    }

    private ProgressBar open() {
        boolean terminal = isTerminal();
        return new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(total)
                .setUnit("MB", MEGABYTE)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(terminal ? 200 : 5000)
                .showSpeed()
                .startsFrom(done, Duration.ofNanos(System.nanoTime() - begin))
                .setConsumer(
                        terminal
                                ? new ConsoleProgressBarConsumer(System.err, WIDTH)
                                : new DelegatingProgressBarConsumer(System.err::println, WIDTH))
                .build();
    }

    /** Up to Java 21 there is a console only if it is a terminal; from Java 22 on it has to be asked. */
    @SuppressWarnings("SystemConsoleNull")
    private static boolean isTerminal() {
        Console console = System.console();
        if (console == null || Runtime.version().feature() < 22) {
            return console != null;
        }
        try {
            return (Boolean) Console.class.getMethod("isTerminal").invoke(console);
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }

    /** How many bytes are done. */
    public long done() {
        return done;
    }

    /** The task is over, finished or not. */
    @Override
    public void close() {
        if (bar == null) {
            return;
        }
        // The bar waits for its own thread, and would swallow an interrupt that is meant for others.
        boolean interrupted = Thread.interrupted();
        try {
            bar.close();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
