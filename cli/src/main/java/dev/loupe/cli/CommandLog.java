package dev.loupe.cli;

import java.io.PrintWriter;
import java.util.HashSet;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/**
 * What Loupe logs while a command runs, told as commands tell everything: in a line, once, with the stack trace of its
 * cause only where that was asked for.
 */
final class CommandLog extends Handler {

    /** The root of Loupe's loggers. Held, since the logging forgets loggers that nobody holds. */
    private static final Logger ROOT = Logger.getLogger("dev.loupe");

    private final PrintWriter err;
    private final BooleanSupplier stacktrace;
    private final boolean others;
    private final SimpleFormatter formatter = new SimpleFormatter();
    private final Set<String> told = new HashSet<>();

    private CommandLog(PrintWriter err, BooleanSupplier stacktrace) {
        this.err = err;
        this.stacktrace = stacktrace;
        this.others = ROOT.getUseParentHandlers();
    }

    /** Takes the place of the handlers that Java has, until it is closed. */
    static CommandLog open(PrintWriter err, BooleanSupplier stacktrace) {
        CommandLog log = new CommandLog(err, stacktrace);
        log.setLevel(Level.INFO);
        ROOT.setUseParentHandlers(false);
        ROOT.addHandler(log);
        return log;
    }

    @Override
    public synchronized void publish(LogRecord record) {
        String message = formatter.formatMessage(record);
        if (!isLoggable(record) || !told.add(message)) {
            return;
        }
        err.println("loupe: " + Failures.shortened(message));
        Throwable cause = record.getThrown();
        if (cause != null && stacktrace.getAsBoolean()) {
            cause.printStackTrace(err);
        }
        err.flush();
    }

    @Override
    public void flush() {
        err.flush();
    }

    @Override
    public void close() {
        ROOT.removeHandler(this);
        ROOT.setUseParentHandlers(others);
    }
}
