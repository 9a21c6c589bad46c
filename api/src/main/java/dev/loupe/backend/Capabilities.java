package dev.loupe.backend;

import dev.loupe.array.DType;
import java.util.Set;

/**
 * What an open backend can do on its device. What is not declared must be refused with {@link
 * UnsupportedOperationException}; the conformance kit tests both.
 *
 * @param dtypes the data types that tensors may have; float32, int64 and bool always among them
 * @param computeDTypes the floating-point types in which every op works; a subset of {@code dtypes}. The
 *     others can be uploaded, downloaded and cast.
 * @param deterministic whether the same input gives the same bits in every run
 */
public record Capabilities(Set<DType> dtypes, Set<DType> computeDTypes, boolean deterministic) {

    /** Copies the sets. */
    public Capabilities {
        dtypes = Set.copyOf(dtypes);
        computeDTypes = Set.copyOf(computeDTypes);
    }
}
