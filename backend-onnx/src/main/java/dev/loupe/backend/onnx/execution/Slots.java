package dev.loupe.backend.onnx.execution;

import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The values of one run. Those that the run makes are freed by it, unless they are taken. */
final class Slots implements AutoCloseable {

    private final @Nullable OnnxHandle[] handles;
    private final BitSet owned = new BitSet();
    private final List<OnnxHandle> lent = new ArrayList<>();

    Slots(@Nullable OnnxHandle[] weights) {
        handles = weights.clone();
    }

    /** A value that somebody else frees; if they do so meanwhile, then after {@link #close}. */
    void lend(int slot, OnnxHandle handle) {
        handle.retain();
        lent.add(handle);
        handles[slot] = handle;
    }

    /** A value that the run made. */
    void put(int slot, OnnxHandle handle) {
        handles[slot] = handle;
        owned.set(slot);
    }

    OnnxHandle get(int slot) {
        OnnxHandle handle = handles[slot];
        if (handle == null) {
            throw new IllegalStateException("Slot " + slot + " is read before it is written");
        }
        return handle;
    }

    List<OnnxHandle> get(List<Integer> slots) {
        List<OnnxHandle> list = new ArrayList<>(slots.size());
        for (int slot : slots) {
            list.add(get(slot));
        }
        return list;
    }

    void free(int slot) {
        if (owned.get(slot)) {
            owned.clear(slot);
            get(slot).close();
            handles[slot] = null;
        }
    }

    /** Hands values over: what the run made as it is, anything else, or a second time, as a view. */
    List<TensorHandle> take(List<Integer> wanted) {
        List<TensorHandle> taken = new ArrayList<>(wanted.size());
        for (int slot : wanted) {
            OnnxHandle handle = get(slot);
            taken.add(owned.get(slot) ? handle : handle.view(handle.shape()));
            owned.clear(slot);
        }
        return taken;
    }

    /** Frees what the run made and nobody took, and gives back what was lent. */
    @Override
    public void close() {
        for (int slot = owned.nextSetBit(0); slot >= 0; slot = owned.nextSetBit(slot + 1)) {
            free(slot);
        }
        lent.forEach(OnnxHandle::release);
        lent.clear();
    }
}
