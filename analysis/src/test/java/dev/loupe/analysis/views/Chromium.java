package dev.loupe.analysis.views;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Opens pages in a headless browser, if there is one; where tests are to be complete there must be. */
final class Chromium {

    private static final List<String> NAMES = List.of("chromium", "chromium-browser", "google-chrome");

    private final Path folder;
    private final String program;

    private Chromium(Path folder, String program) {
        this.folder = folder;
        this.program = program;
    }

    /** The browser, with a folder of its own to work in. */
    static Chromium in(Path folder) {
        for (String directory : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
            for (String name : NAMES) {
                Path program = Path.of(directory, name);
                if (Files.isExecutable(program)) {
                    return new Chromium(folder, program.toString());
                }
            }
        }
        assertThat(System.getenv("CI"))
                .as("Chromium must be installed where CI is set: one of " + NAMES + " on the PATH")
                .isNull();
        return abort("No Chromium on the PATH; looked for " + NAMES);
    }

    /**
     * The page after its scripts have run.
     *
     * @param probe a script to run at the end
     */
    String dump(String html, String probe) throws IOException, InterruptedException {
        // A window of a desk; time for pictures that are drawn later, without waiting for it.
        return run(write(html, probe), "--dump-dom", "--window-size=1400,900", "--virtual-time-budget=1000");
    }

    /** What the page looks like, as a PNG file. */
    Path screenshot(String html, String probe, int width, int height) throws IOException, InterruptedException {
        Path picture = folder.resolve("screenshot.png");
        run(write(html, probe), "--screenshot=" + picture, "--window-size=" + width + "," + height);
        return picture;
    }

    private Path write(String html, String probe) throws IOException {
        // Errors in scripts would pass unseen otherwise.
        String watch = "<script>addEventListener('error', e => document.documentElement.dataset.error = e.message);"
                + "</script>";
        Path page = folder.resolve("page.html");
        Files.writeString(
                page,
                html.replace("<main>", watch + "<main>").replace("</body>", "<script>" + probe + "</script></body>"));
        return page;
    }

    private String run(Path page, String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--user-data-dir=" + folder.resolve("profile")));
        command.addAll(Arrays.asList(options));
        command.add(page.toUri().toString());
        Path out = folder.resolve("out.txt");
        Process process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(folder.resolve("err.txt").toFile())
                .start();
        try {
            assertThat(process.waitFor(120, TimeUnit.SECONDS))
                    .as("Chromium ends within two minutes")
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return Files.readString(out);
    }
}
