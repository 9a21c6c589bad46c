package dev.loupe.backend.onnx;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The schedules of one segment by the outputs that are wanted, ready to run. When they become many, the least
 * recently used are dropped; one that is running then is closed by its last run.
 */
final class Schedules implements AutoCloseable {

    // A sweep that watches the points of a layer one at a time finds all of them again.
    static final int KEPT = 64;

    private final Function<List<Integer>, List<StageRun>> maker;
    private final Map<List<Integer>, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);

    /** No schedules. */
    Schedules(Function<List<Integer>, List<StageRun>> maker) {
        this.maker = maker;
    }

    /** A schedule and the number of runs that use it. */
    static final class Entry {
        private final List<StageRun> runs;
        private int users;
        private boolean dropped;

        private Entry(List<StageRun> runs) {
            this.runs = runs;
        }

        /** What to run, in order. */
        List<StageRun> runs() {
            return runs;
        }
    }

    /** The schedule for the wanted slots, given back by {@link #release}. */
    synchronized Entry acquire(List<Integer> wanted) {
        Entry entry = entries.get(wanted);
        if (entry == null) {
            entry = new Entry(maker.apply(wanted));
            entries.put(List.copyOf(wanted), entry);
            if (entries.size() > KEPT) {
                Iterator<Entry> eldest = entries.values().iterator();
                Entry dropped = eldest.next();
                eldest.remove();
                drop(dropped);
            }
        }
        entry.users++;
        return entry;
    }

    synchronized void release(Entry entry) {
        entry.users--;
        closeIfDone(entry);
    }

    private static void drop(Entry entry) {
        entry.dropped = true;
        closeIfDone(entry);
    }

    private static void closeIfDone(Entry entry) {
        if (entry.dropped && entry.users == 0) {
            entry.runs.forEach(StageRun::close);
        }
    }

    /** How many there are. */
    synchronized int size() {
        return entries.size();
    }

    @Override
    public synchronized void close() {
        List<Entry> all = new ArrayList<>(entries.values());
        entries.clear();
        all.forEach(Schedules::drop);
    }
}
