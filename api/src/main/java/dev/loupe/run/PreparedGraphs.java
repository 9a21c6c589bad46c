package dev.loupe.run;

import dev.loupe.backend.Backend;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.WeightSource;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Keeps prepared segments, the least recently used ones dropped when they become many. A graph in use is never
 * closed: one that is dropped meanwhile is closed by its last user.
 */
final class PreparedGraphs implements AutoCloseable {

    private static final int KEPT = 1024;

    private final Backend backend;
    private final WeightSource weights;
    private final Map<Plan.Key, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
    private boolean closed;

    PreparedGraphs(Backend backend, WeightSource weights) {
        this.backend = backend;
        this.weights = weights;
    }

    /** A prepared graph with the number of runs that use it. */
    static final class Entry {
        final PreparedGraph graph;
        private int users;
        private boolean dropped;

        Entry(PreparedGraph graph) {
            this.graph = graph;
        }
    }

    /** Gets a prepared segment for a run, which gives it back by {@link #release}. */
    synchronized Entry acquire(Plan.Key key) {
        if (closed) {
            throw new IllegalStateException("The model was closed");
        }
        Entry entry = entries.get(key);
        if (entry == null) {
            entry = new Entry(backend.prepare(key.segment(), weights));
            entries.put(key, entry);
            dropOldest();
        }
        entry.users++;
        return entry;
    }

    synchronized void release(Entry entry) {
        entry.users--;
        closeIfDone(entry);
    }

    private void dropOldest() {
        Iterator<Entry> oldest = entries.values().iterator();
        while (entries.size() > KEPT && oldest.hasNext()) {
            Entry entry = oldest.next();
            oldest.remove();
            entry.dropped = true;
            closeIfDone(entry);
        }
    }

    private static void closeIfDone(Entry entry) {
        if (entry.dropped && entry.users == 0) {
            entry.dropped = false;
            entry.graph.close();
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        List<Entry> all = new ArrayList<>(entries.values());
        entries.clear();
        for (Entry entry : all) {
            entry.dropped = true;
            closeIfDone(entry);
        }
    }
}
