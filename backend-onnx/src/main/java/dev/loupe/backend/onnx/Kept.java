package dev.loupe.backend.onnx;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Things that are made when they are first asked for and kept for the next time. When they become many, those least
 * recently used are dropped; one that is in use then is closed by its last user.
 */
final class Kept<K, V> implements AutoCloseable {

    private final int most;
    private final Function<K, V> maker;
    private final Consumer<V> closer;
    private final Map<K, Entry<V>> entries = new LinkedHashMap<>(16, 0.75f, true);

    /**
     * Nothing yet.
     *
     * @param most how many are kept
     * @param maker makes one for its key
     * @param closer closes one that has been dropped
     */
    Kept(int most, Function<K, V> maker, Consumer<V> closer) {
        this.most = most;
        this.maker = maker;
        this.closer = closer;
    }

    /** A thing with the number of its users. */
    static final class Entry<V> {
        private final V value;
        private int users;
        private boolean dropped;

        private Entry(V value) {
            this.value = value;
        }

        V value() {
            return value;
        }
    }

    /** The thing of a key, given back by {@link #release}. */
    synchronized Entry<V> acquire(K key) {
        Entry<V> entry = entries.get(key);
        if (entry == null) {
            entry = new Entry<>(maker.apply(key));
            entries.put(key, entry);
            if (entries.size() > most) {
                Iterator<Entry<V>> all = entries.values().iterator();
                Entry<V> eldest = all.next();
                all.remove();
                drop(eldest);
            }
        }
        entry.users++;
        return entry;
    }

    synchronized void release(Entry<V> entry) {
        entry.users--;
        closeIfDone(entry);
    }

    private void drop(Entry<V> entry) {
        entry.dropped = true;
        closeIfDone(entry);
    }

    private void closeIfDone(Entry<V> entry) {
        if (entry.dropped && entry.users == 0) {
            closer.accept(entry.value);
        }
    }

    /** Drops everything. */
    @Override
    public synchronized void close() {
        List<Entry<V>> all = new ArrayList<>(entries.values());
        entries.clear();
        all.forEach(this::drop);
    }
}
