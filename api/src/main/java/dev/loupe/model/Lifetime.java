package dev.loupe.model;

import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * How long what a model reads stays: until the model is closed and everything that was going on with it then has ended.
 * Whoever closes a model waits for nobody, so a hook may do it in the middle of a run; the last use frees.
 */
final class Lifetime {

    private static final int CLOSED = 1 << 30;

    private final String model;
    private final @Nullable Lifetime shared;
    private final Runnable free;

    /** Uses going on, plus {@link #CLOSED}. */
    private final AtomicInteger uses = new AtomicInteger();

    /**
     * A lifetime that has begun.
     *
     * @param model what the model is called, for messages
     * @param shared the lifetime of another model, of which this one reads as well
     * @param free frees what belongs to this model alone, once
     */
    Lifetime(String model, @Nullable Lifetime shared, Runnable free) {
        this.model = model;
        this.shared = shared;
        this.free = free;
    }

    /** Something that goes on with a model, which keeps what the model reads until it is closed. */
    final class Use implements AutoCloseable {
        private final @Nullable Use outer;

        private Use(@Nullable Use outer) {
            this.outer = outer;
        }

        @Override
        public void close() {
            if (uses.decrementAndGet() == CLOSED) {
                free.run();
            }
            if (outer != null) {
                outer.close();
            }
        }
    }

    /**
     * Begins something.
     *
     * @throws IllegalStateException if the model was closed; says so
     */
    Use begin() {
        Use outer = shared == null ? null : shared.begin();
        int before;
        do {
            before = uses.get();
            if (before >= CLOSED) {
                if (outer != null) {
                    outer.close();
                }
                throw new IllegalStateException(
                        "The model '" + model + "' was closed. Close it when nothing is to be run"
                                + " any more; tensors that its runs gave can still be read");
            }
        } while (!uses.compareAndSet(before, before + 1));
        return new Use(outer);
    }

    /** Lets nothing begin any more, and frees at once if nothing goes on. Idempotent. */
    void close() {
        int before = uses.getAndUpdate(now -> now | CLOSED);
        if (before == 0) {
            free.run();
        }
    }
}
