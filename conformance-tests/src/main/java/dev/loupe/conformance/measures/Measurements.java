package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import org.apiguardian.api.API;

/** Takes note of measured errors: a report. */
@API(status = API.Status.INTERNAL, since = "0.1")
@FunctionalInterface
public interface Measurements {

    /**
     * Takes note of an error if it is the worst so far.
     *
     * @param where the case
     */
    void measured(String operation, DType dtype, Comparison comparison, String where);
}
