package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.apiguardian.api.API;

/** What a run of a model gave: values by hook point, in the order of the model, then the logits. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Trace {

    private final Map<String, HostTensor> values;

    public Trace(Map<String, HostTensor> values) {
        this.values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** The names, in order. */
    public List<String> names() {
        return new ArrayList<>(values.keySet());
    }

    /**
     * A value.
     *
     * @throws AssertionError if the run didn't give it
     */
    public HostTensor get(String name) {
        HostTensor value = values.get(name);
        if (value == null) {
            throw new AssertionError("the run gave no '" + name + "', only " + values.keySet());
        }
        return value;
    }

    /** The logits. */
    public HostTensor logits() {
        return get(Traces.LOGITS);
    }

    /** Does something with each value. */
    public void forEach(BiConsumer<String, HostTensor> action) {
        values.forEach(action);
    }
}
