package dev.loupe.architectures.hub;

import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The body of an answer, piece by piece. Unlike the JDK's input stream it gives up when no piece comes for a
 * while: a server that falls silent would otherwise hold a download for ever.
 */
final class Body implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {

    private sealed interface Event {
        record Piece(List<ByteBuffer> buffers) implements Event {}

        record End(@Nullable Throwable failure) implements Event {}
    }

    private final Duration patience;
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private Flow.@Nullable Subscription subscription;
    private long wanted;
    private boolean closed;

    Body(Flow.Publisher<List<ByteBuffer>> publisher, Duration patience) {
        this.patience = patience;
        publisher.subscribe(this);
    }

    /** The next piece; null at the end. */
    @Nullable
    List<ByteBuffer> next() throws IOException {
        request();
        Event event;
        try {
            event = events.poll(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Retries.interrupted(e);
        }
        if (event == null) {
            throw new HttpTimeoutException("Nothing came for " + patience.toSeconds() + " seconds");
        }
        if (event instanceof Event.Piece piece) {
            return piece.buffers();
        }
        Throwable failure = ((Event.End) event).failure();
        if (failure != null) {
            throw new IOException("The connection broke: " + Retries.message(failure), failure);
        }
        return null;
    }

    private synchronized void request() {
        if (subscription == null) {
            wanted++;
        } else {
            subscription.request(1);
        }
    }

    @Override
    public synchronized void onSubscribe(Flow.Subscription newSubscription) {
        subscription = newSubscription;
        if (closed) {
            newSubscription.cancel();
        } else if (wanted > 0) {
            newSubscription.request(wanted);
        }
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        events.add(new Event.Piece(buffers));
    }

    @Override
    public void onError(Throwable failure) {
        events.add(new Event.End(failure));
    }

    @Override
    public void onComplete() {
        events.add(new Event.End(null));
    }

    /** Stops the transfer, if it isn't over. */
    @Override
    public synchronized void close() {
        closed = true;
        if (subscription != null) {
            subscription.cancel();
        }
    }
}
