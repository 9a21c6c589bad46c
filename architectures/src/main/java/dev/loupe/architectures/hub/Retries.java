package dev.loupe.architectures.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Decides whether to try once more, and waits before it: 1, 2, 4, … seconds, or what the server asks for. */
final class Retries {

    private static final int ATTEMPTS = 5;
    private static final Duration LONGEST = Duration.ofMinutes(5);

    private final Sleeper sleeper;
    private int failures;

    Retries(Sleeper sleeper) {
        this.sleeper = sleeper;
    }

    /** Something was gained since the last failure: patience begins anew. */
    void progressed() {
        failures = 0;
    }

    /**
     * Waits for the next attempt.
     *
     * @throws IOException if it was the last one
     */
    void failed(IOException failure) throws IOException {
        failures++;
        if (failures >= ATTEMPTS) {
            throw new IOException(message(failure) + " (after " + ATTEMPTS + " attempts)", failure);
        }
        Duration pause = failure instanceof BusyException busy && busy.retryAfter() != null
                ? busy.retryAfter()
                : Duration.ofSeconds(1L << (failures - 1));
        try {
            sleeper.sleep(pause.compareTo(LONGEST) > 0 ? LONGEST : pause);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw interrupted(e);
        }
    }

    static IOException interrupted(InterruptedException cause) {
        InterruptedIOException result = new InterruptedIOException("Interrupted while talking to the Hub");
        result.initCause(cause);
        return result;
    }

    /** What went wrong, in words: some of the JDK's network exceptions come without a message. */
    static String message(Throwable failure) {
        String message = failure.getMessage();
        return message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
    }

    /** The server can't answer now; it may say when it can. */
    static final class BusyException extends IOException {
        private static final long serialVersionUID = 1L;
        private final transient @Nullable Duration retryAfter;

        BusyException(String message, @Nullable Duration retryAfter) {
            super(message);
            this.retryAfter = retryAfter;
        }

        @Nullable
        Duration retryAfter() {
            return retryAfter;
        }
    }
}
