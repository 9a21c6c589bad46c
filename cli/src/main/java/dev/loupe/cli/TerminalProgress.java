package dev.loupe.cli;

import dev.loupe.analysis.Progress;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import org.jspecify.annotations.Nullable;

/** Draws the progress of a long analysis on standard error, once it has taken more than a second. */
final class TerminalProgress implements Progress, AutoCloseable {

    private static final long PATIENCE_NANOS = 1_000_000_000;

    private final String task;
    private final long start = System.nanoTime();
    private @Nullable ProgressBar bar;

    TerminalProgress(String task) {
        this.task = task;
    }

    @Override
    public void update(long done, long total) {
        if (bar == null && done < total && System.nanoTime() - start > PATIENCE_NANOS) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setInitialMax(total)
                    .build();
        }
        if (bar != null) {
            bar.stepTo(done);
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
