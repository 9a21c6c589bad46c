package dev.loupe.tensor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Frees early what a piece of code makes: tensors made by this thread while the scope is open are closed with it,
 * but for those that were {@linkplain #keep kept}. Scopes nest. Optional: tensors that are never closed are freed
 * once they are unreachable.
 *
 * <pre>{@code
 * try (TensorScope scope = TensorScope.open()) {
 *   Tensor mean = activation.mul(weights).sum(-1).mean();
 *   return scope.keep(mean);
 * }
 * }</pre>
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class TensorScope implements AutoCloseable {

    private static final ThreadLocal<@Nullable TensorScope> INNERMOST = new ThreadLocal<>();

    private final @Nullable TensorScope outer;
    private final Thread owner = Thread.currentThread();
    private final List<Tensor> made = new ArrayList<>();
    private final Set<Tensor> kept = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean closed;

    private TensorScope(@Nullable TensorScope outer) {
        this.outer = outer;
    }

    /** Opens a scope on this thread. */
    public static TensorScope open() {
        TensorScope scope = new TensorScope(INNERMOST.get());
        INNERMOST.set(scope);
        return scope;
    }

    /** Lets a tensor outlive this scope; it then belongs to the next outer one, if there is one. */
    public Tensor keep(Tensor tensor) {
        kept.add(tensor);
        return tensor;
    }

    static void register(Tensor tensor) {
        TensorScope scope = INNERMOST.get();
        if (scope != null) {
            scope.made.add(tensor);
        }
    }

    /**
     * Closes what was made.
     *
     * @throws IllegalStateException if called on another thread, or before an inner scope is closed
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (Thread.currentThread() != owner || INNERMOST.get() != this) {
            throw new IllegalStateException(
                    "Scopes are closed on the thread that opened them, the innermost first; use try-with-resources");
        }
        closed = true;
        if (outer == null) {
            INNERMOST.remove();
        } else {
            INNERMOST.set(outer);
        }
        for (Tensor tensor : made) {
            if (!kept.contains(tensor)) {
                tensor.close();
            } else if (outer != null) {
                outer.made.add(tensor);
            }
        }
    }
}
