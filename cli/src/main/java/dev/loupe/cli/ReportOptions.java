package dev.loupe.cli;

import dev.loupe.analysis.views.HtmlPage;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How a command tells what it found: to people, as JSON, as a page. */
final class ReportOptions {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(
            names = "--html",
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "Also write a page with pictures, which needs nothing but a browser.")
    private @Nullable Path html;

    /** Whether it was asked for in one of the forms that aren't for the terminal. */
    boolean isAskedFor() {
        return json || html != null;
    }

    /**
     * Tells it. What is said to be done is done: a page is announced when it is there.
     *
     * @param object the JSON object
     * @param text prints it for people
     * @param page the page
     */
    void tell(Supplier<Map<String, Object>> object, Consumer<Painter> text, Supplier<HtmlPage> page) {
        Painter paint = Painter.of(command);
        if (json) {
            Output.json(command.commandLine().getOut(), object.get());
        } else {
            text.accept(paint);
            paint.flush();
        }
        Path file = html;
        if (file != null) {
            page.get().write(file);
            if (!json) {
                paint.line("");
                paint.line("The page is in " + file);
                paint.flush();
            }
        }
    }
}
