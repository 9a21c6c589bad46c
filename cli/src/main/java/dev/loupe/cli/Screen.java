package dev.loupe.cli;

import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Where progress is drawn, if anybody looks at it.
 *
 * @param isTerminal whether a person sees what is written; asked when there is something to draw
 * @param stream where to
 * @param patience how long something takes before it is worth drawing
 */
record Screen(BooleanSupplier isTerminal, PrintStream stream, Duration patience) {

    /** Standard error, unless it is redirected or progress is not wanted. */
    static final Screen STANDARD_ERROR =
            new Screen(new Standard(System.getenv("HF_HUB_DISABLE_PROGRESS_BARS")), System.err, Duration.ofSeconds(1));

    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

    /** Whether something that has taken so long is drawn. */
    boolean shows(long nanos) {
        return nanos > patience.toNanos() && isTerminal.getAsBoolean();
    }

    /** Whether standard error is a terminal, found out once. */
    private static final class Standard implements BooleanSupplier {
        private final @Nullable String disabled;
        private @Nullable Boolean terminal;

        Standard(@Nullable String disabled) {
            this.disabled = disabled;
        }

        @Override
        public synchronized boolean getAsBoolean() {
            Boolean known = terminal;
            if (known == null) {
                known = (disabled == null || !TRUE.contains(disabled.toUpperCase(Locale.ROOT))) && isTerminal();
                terminal = known;
            }
            return known;
        }

        // Java knows only whether input and output both are; where there is a shell, it knows of standard error alone.
        private static boolean isTerminal() {
            try {
                Process test = new ProcessBuilder("sh", "-c", "test -t 2")
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
                return test.waitFor(2, TimeUnit.SECONDS) && test.exitValue() == 0;
            } catch (IOException e) {
                return hasConsole();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }

        /** Up to Java 21 there is a console only if it is a terminal; from Java 22 on it has to be asked. */
        @SuppressWarnings("SystemConsoleNull")
        private static boolean hasConsole() {
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
    }
}
