package dev.loupe.backend;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apiguardian.api.API;

/**
 * Things that are costly to make, kept for the next who asks, and closed when they are neither kept nor in use: prepared
 * graphs, an engine's sessions. A thing in use is never closed. Of those that nobody uses a number is kept; beyond it the
 * least recently used go.
 *
 * <p>Safe for use from many threads. A thing is made by the thread that asks for it first; others who ask for the same
 * wait for it, and nobody else waits for anybody.
 *
 * @param <K> what a thing is found by
 * @param <V> a thing
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class ReferenceCountedCache<K, V> implements AutoCloseable {

    private final int mostUnused;
    private final Consumer<? super V> closer;
    private final Map<K, Entry<K, V>> entries = new LinkedHashMap<>(16, 0.75f, true);
    private int unused;
    private boolean closed;

    /**
     * An empty cache.
     *
     * @param mostUnused how many things are kept that nobody uses
     * @param closer closes a thing
     */
    public ReferenceCountedCache(int mostUnused, Consumer<? super V> closer) {
        this.mostUnused = mostUnused;
        this.closer = closer;
    }

    /** A thing, once it is made, with the number of its users. Guarded by the cache, but for the future. */
    private static final class Entry<K, V> {
        final K key;
        final CompletableFuture<V> value = new CompletableFuture<>();
        int users = 1;
        boolean dropped;

        Entry(K key) {
            this.key = key;
        }
    }

    /** The use of a thing, which stays open until this is closed. Closed once. */
    public static final class Lease<V> implements AutoCloseable {
        private final V value;
        private final Runnable release;

        private Lease(V value, Runnable release) {
            this.value = value;
            this.release = release;
        }

        /** The thing. */
        public V value() {
            return value;
        }

        @Override
        public void close() {
            release.run();
        }
    }

    /**
     * The thing of a key. Whatever the maker throws is thrown here, to all who wait for that thing, and the next who asks
     * has it made again.
     *
     * @param maker makes it if nobody has; doesn't ask this cache for the same key
     */
    public Lease<V> acquire(K key, Function<? super K, ? extends V> maker) {
        Entry<K, V> entry;
        boolean toBeMade = false;
        synchronized (this) {
            Entry<K, V> known = entries.get(key);
            if (known == null) {
                entry = new Entry<>(key);
                toBeMade = true;
                if (closed) {
                    entry.dropped = true;
                } else {
                    entries.put(key, entry);
                }
            } else {
                entry = known;
                unused -= entry.users == 0 ? 1 : 0;
                entry.users++;
            }
        }
        if (toBeMade) {
            make(entry, maker);
        }
        return new Lease<>(made(entry), () -> release(entry));
    }

    private void make(Entry<K, V> entry, Function<? super K, ? extends V> maker) {
        try {
            entry.value.complete(maker.apply(entry.key));
        } catch (Throwable failure) {
            synchronized (this) {
                if (!entry.dropped) {
                    entries.remove(entry.key);
                }
            }
            entry.value.completeExceptionally(failure);
        }
    }

    // Waits however often this thread is interrupted, as running what is waited for would.
    private V made(Entry<K, V> entry) {
        try {
            return entry.value.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException exception) {
                throw exception;
            } else if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e;
        }
    }

    private void release(Entry<K, V> entry) {
        List<Entry<K, V>> toClose = new ArrayList<>();
        synchronized (this) {
            entry.users--;
            if (entry.users == 0) {
                if (entry.dropped) {
                    toClose.add(entry);
                } else {
                    unused++;
                    dropLeastRecentlyUsed(toClose);
                }
            }
        }
        close(toClose);
    }

    private void dropLeastRecentlyUsed(List<Entry<K, V>> dropped) {
        Iterator<Entry<K, V>> eldest = entries.values().iterator();
        while (unused > mostUnused && eldest.hasNext()) {
            Entry<K, V> entry = eldest.next();
            if (entry.users == 0) {
                eldest.remove();
                entry.dropped = true;
                unused--;
                dropped.add(entry);
            }
        }
    }

    private void close(List<Entry<K, V>> dropped) {
        dropped.forEach(entry -> closer.accept(entry.value.join()));
    }

    /** How many things there are, in use or not. */
    public synchronized int size() {
        return entries.size();
    }

    /** Closes what nobody uses, as a maker does that needs the room. What is being made is in use. */
    public void closeUnused() {
        List<Entry<K, V>> toClose = new ArrayList<>();
        synchronized (this) {
            for (Iterator<Entry<K, V>> all = entries.values().iterator(); all.hasNext(); ) {
                Entry<K, V> entry = all.next();
                if (entry.users == 0) {
                    all.remove();
                    entry.dropped = true;
                    toClose.add(entry);
                }
            }
            unused = 0;
        }
        close(toClose);
    }

    /**
     * Closes what nobody uses, and has the rest closed by the last who does. From now on nothing is kept: what is asked for
     * is made and closed again. Idempotent.
     */
    @Override
    public void close() {
        List<Entry<K, V>> toClose = new ArrayList<>();
        synchronized (this) {
            closed = true;
            for (Entry<K, V> entry : entries.values()) {
                entry.dropped = true;
                if (entry.users == 0) {
                    toClose.add(entry);
                }
            }
            entries.clear();
            unused = 0;
        }
        close(toClose);
    }
}
