package dev.loupe.cli;

import java.util.function.Supplier;

/** A command was called wrongly, which is found where no command is at hand to say so; it ends with code 2. */
final class UsageException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    UsageException(String message) {
        super(message);
    }

    private UsageException(String message, Throwable cause) {
        super(message, cause);
    }

    /** What an option's value stands for; what is wrong with it is told with the option's name. */
    static <T> T read(String option, Supplier<T> reader) {
        try {
            return reader.get();
        } catch (IllegalArgumentException e) {
            throw new UsageException(option + ": " + e.getMessage(), e);
        }
    }
}
