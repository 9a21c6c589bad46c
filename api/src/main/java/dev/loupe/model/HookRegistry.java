package dev.loupe.model;

import dev.loupe.hook.Edit;
import dev.loupe.hook.HookHandle;
import java.util.ArrayList;
import java.util.List;

/** The hooks and interventions that stay on a model between runs: permanent ones first, then the others. */
final class HookRegistry {

    private final List<Entry> permanent = new ArrayList<>();
    private final List<Entry> passing = new ArrayList<>();

    /** Compared by identity, so that one hook can be added twice. */
    private static final class Entry {
        final Edit hook;

        Entry(Edit hook) {
            this.hook = hook;
        }
    }

    synchronized HookHandle add(Edit hook, boolean isPermanent, boolean prepend) {
        Entry entry = new Entry(hook);
        List<Entry> list = isPermanent ? permanent : passing;
        list.add(prepend ? 0 : list.size(), entry);
        return () -> remove(entry);
    }

    private synchronized void remove(Entry entry) {
        permanent.remove(entry);
        passing.remove(entry);
    }

    synchronized void reset(boolean includingPermanent) {
        passing.clear();
        if (includingPermanent) {
            permanent.clear();
        }
    }

    /** The hooks of this moment, in the order in which they run. */
    synchronized List<Edit> snapshot() {
        List<Edit> hooks = new ArrayList<>();
        permanent.forEach(entry -> hooks.add(entry.hook));
        passing.forEach(entry -> hooks.add(entry.hook));
        return hooks;
    }
}
