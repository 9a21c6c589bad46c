package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** What a run of a model gave: values by hook point, in the order of the model, then the logits. */
final class Trace {

    private final Map<String, HostTensor> values;

    Trace(Map<String, HostTensor> values) {
        this.values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** The names, in order. */
    List<String> names() {
        return new ArrayList<>(values.keySet());
    }

    /**
     * A value.
     *
     * @throws AssertionError if the run didn't give it
     */
    HostTensor get(String name) {
        HostTensor value = values.get(name);
        if (value == null) {
            throw new AssertionError("the run gave no '" + name + "', only " + values.keySet());
        }
        return value;
    }

    /** The logits. */
    HostTensor logits() {
        return get(Traces.LOGITS);
    }

    /** Does something with each value. */
    void forEach(BiConsumer<String, HostTensor> action) {
        values.forEach(action);
    }
}
