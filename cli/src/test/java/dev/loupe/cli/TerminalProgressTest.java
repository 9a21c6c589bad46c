package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadListener.Kind;
import dev.loupe.architecture.LoadListener.Task;
import dev.loupe.harvest.HarvestProgress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class TerminalProgressTest {

    private final ByteArrayOutputStream drawn = new ByteArrayOutputStream();

    private Screen screen(boolean terminal, Duration patience) {
        return new Screen(() -> terminal, new PrintStream(drawn, true, StandardCharsets.UTF_8), patience);
    }

    private String drawn() {
        return drawn.toString(StandardCharsets.UTF_8);
    }

    private static void everything(TerminalProgress progress) {
        progress.update(1, 4);
        progress.close();
        Task task = new Task(Kind.DOWNLOAD, "org/name/model.safetensors", 2_000_000);
        progress.begun(task);
        progress.progress(task, 1_000_000);
        progress.waiting("it answers 503", Duration.ofSeconds(4));
        progress.progress(task, 2_000_000);
        progress.ended(task);
        progress.progress(new HarvestProgress(100, 0.25, 10, Duration.ofSeconds(30)));
        progress.close();
    }

    @Test
    void sweepsDownloadsAndHarvestsAreDrawnOnATerminal() {
        everything(new TerminalProgress("Patching", screen(true, Duration.ofNanos(-1))));
        assertThat(drawn())
                .contains("Patching", "1/4")
                .contains("org/name/model.safetensors", "1/2MB")
                .contains("it answers 503; waiting 4 seconds before asking again")
                .contains("100/400 tokens");
    }

    @Test
    void nothingIsDrawnWhereNobodyLooks() {
        everything(new TerminalProgress("Patching", screen(false, Duration.ofNanos(-1))));
        assertThat(drawn()).isEmpty();
    }

    @Test
    void whatIsDoneSoonIsNotDrawn() {
        TerminalProgress progress = new TerminalProgress("Patching", screen(true, Duration.ofHours(1)));
        progress.update(1, 4);
        progress.close();
        assertThat(drawn()).isEmpty();
    }

    @Test
    void aWholeOfUnknownSizeIsDrawnToo() {
        TerminalProgress progress = new TerminalProgress("Loading", screen(true, Duration.ofNanos(-1)));
        Task task = new Task(Kind.DOWNLOAD, "weights.bin", -1);
        progress.begun(task);
        progress.progress(task, 3_000_000);
        progress.ended(task);
        assertThat(drawn()).contains("weights.bin", "3");
    }

    @Test
    void anInterruptOutlivesTheBar() {
        TerminalProgress progress = new TerminalProgress("Patching", screen(true, Duration.ofNanos(-1)));
        progress.update(1, 4);
        Thread.currentThread().interrupt();
        progress.close();
        assertThat(Thread.interrupted()).isTrue();
    }
}
