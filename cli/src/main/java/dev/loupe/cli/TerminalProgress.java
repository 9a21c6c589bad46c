package dev.loupe.cli;

import dev.loupe.analysis.Progress;
import dev.loupe.architecture.LoadListener;
import dev.loupe.harvest.HarvestListener;
import dev.loupe.harvest.HarvestProgress;
import java.time.Duration;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Draws on standard error how far something is that takes long, once it has taken a second: sweeps, loading, downloads
 * and harvests alike. Nothing if nobody looks at a {@link Screen}.
 */
final class TerminalProgress implements Progress, LoadListener, HarvestListener, AutoCloseable {

    private static final int WIDTH = 100;
    private static final long MEGABYTE = 1_000_000;

    private final Screen screen;
    private String task;
    private String unit = "";
    private long unitSize = 1;
    private long begun = System.nanoTime();
    private @Nullable ProgressBar bar;

    /**
     * Progress of something on the screen in front of this process.
     *
     * @param task what is done, in two or three words
     */
    TerminalProgress(String task) {
        this(task, Screen.STANDARD_ERROR);
    }

    TerminalProgress(String task, Screen screen) {
        this.task = task;
        this.screen = screen;
    }

    @Override
    public void update(long done, long total) {
        if (bar == null && (done < total || total < 0) && screen.shows(System.nanoTime() - begun)) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setInitialMax(total)
                    .setUnit(unit, unitSize)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(200)
                    .showSpeed()
                    .startsFrom(done, Duration.ofNanos(System.nanoTime() - begun))
                    .setConsumer(new ConsoleProgressBarConsumer(screen.stream(), WIDTH))
                    .build();
        }
        if (bar != null) {
            bar.maxHint(total);
            bar.stepTo(done);
        }
    }

    @Override
    public void begun(Task next) {
        close();
        task = next.kind() == Kind.READ ? "Loading " + next.name() : next.name();
        unit = "MB";
        unitSize = MEGABYTE;
        begun = System.nanoTime();
    }

    @Override
    public void progress(Task current, long done) {
        update(done, current.bytes());
    }

    @Override
    public void ended(Task current) {
        close();
    }

    @Override
    public void waiting(String reason, Duration pause) {
        if (screen.shows(Long.MAX_VALUE)) {
            close();
            screen.stream().println(reason + "; waiting " + pause.toSeconds() + " seconds before asking again");
        }
    }

    @Override
    public void progress(HarvestProgress progress) {
        unit = " tokens";
        unitSize = 1;
        double whole = progress.tokens() / progress.fraction();
        update(progress.tokens(), Double.isFinite(whole) ? Math.round(whole) : -1);
    }

    /** What was drawn stays, and nothing more is drawn until more is done. */
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
            bar = null;
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
