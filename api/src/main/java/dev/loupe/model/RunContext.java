package dev.loupe.model;

import dev.loupe.hook.HookContext;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One run's {@link HookContext}, or one step's of a generation, whose steps share their state. */
final class RunContext implements HookContext {

    private final Geometry geometry;
    private final Map<String, Object> state;

    RunContext(Geometry geometry, @Nullable Map<String, Object> state) {
        this.geometry = geometry;
        this.state = state == null ? new ConcurrentHashMap<>() : state;
    }

    @Override
    public int batch() {
        return geometry.batch();
    }

    @Override
    public int positions() {
        return geometry.positions();
    }

    @Override
    public int past() {
        return geometry.past();
    }

    @Override
    public boolean isReal(int row, int position) {
        return geometry.mask()[row][position];
    }

    @Override
    public <T> T state(String name, Class<T> type, Supplier<? extends T> first) {
        // Not made under the map's lock: whatever it is, it may ask for other states.
        Object known = state.get(name);
        Object made = known == null ? first.get() : known;
        Object earlier = known == null ? state.putIfAbsent(name, made) : known;
        Object found = earlier == null ? made : earlier;
        if (!type.isInstance(found)) {
            throw new IllegalStateException("The state '" + name + "' of this run is a "
                    + found.getClass().getName() + ", not a " + type.getName()
                    + ": another hook keeps it; take another name");
        }
        return type.cast(found);
    }
}
