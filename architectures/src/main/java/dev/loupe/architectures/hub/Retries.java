package dev.loupe.architectures.hub;

import dev.loupe.architecture.LoadListener;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether to try once more, and waits before it: 1, 2, 4, … seconds, or what the server asks for, as long as
 * all of it stays bearable for somebody who waits in front of a screen, who is told what is waited for.
 */
final class Retries {

    private static final int ATTEMPTS = 5;
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /** Shorter pauses pass without a word. */
    private static final Duration WORTH_A_WORD = Duration.ofSeconds(2);

    private final Sleeper sleeper;
    private final LoadListener listener;
    private int failures;
    private Duration waited = Duration.ZERO;

    /** Patience for one task. */
    Retries(Sleeper sleeper, LoadListener listener) {
        this.sleeper = sleeper;
        this.listener = listener;
    }

    /** Something was gained since the last failure: patience begins anew. */
    void progressed() {
        failures = 0;
        waited = Duration.ZERO;
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
        waited = waited.plus(pause);
        if (waited.compareTo(PATIENCE) > 0) {
            throw new IOException(
                    message(failure) + " and asks to wait " + pause.toSeconds() + " seconds"
                            + (pause.toHours() > 0 ? " (" + pause.toHours() + " hours)" : "")
                            + ". Loupe waits " + PATIENCE.toMinutes()
                            + " minutes in all; try again later, or with a token (HF_TOKEN): those who have one may ask"
                            + " more often",
                    failure);
        }
        if (pause.compareTo(WORTH_A_WORD) >= 0) {
            listener.waiting(message(failure), pause);
        }
        try {
            sleeper.sleep(pause);
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
