package dev.loupe.backend.onnx.runtime;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;

/** Sessions that several graphs use, kept as long as one of them does. */
public final class Sessions {

    private final Map<Object, Entry> entries = new HashMap<>();

    private static final class Entry {
        final Session session;
        int users;

        Entry(Session session) {
            this.session = session;
        }
    }

    /** No sessions. */
    public Sessions() {}

    /** The session of that key, made if nobody has it; {@link #release} it once. */
    public synchronized Session acquire(Object key, Supplier<Session> maker) {
        Entry entry = entries.get(key);
        if (entry == null) {
            entry = new Entry(maker.get());
            entries.put(key, entry);
        }
        entry.users++;
        return entry.session;
    }

    /** Gives a session back. */
    public synchronized void release(Object key) {
        Entry entry = entries.get(key);
        if (entry != null && --entry.users == 0) {
            entries.remove(key);
            entry.session.close();
        }
    }

    /** How many there are. */
    public synchronized int size() {
        return entries.size();
    }
}
