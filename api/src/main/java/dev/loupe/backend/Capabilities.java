package dev.loupe.backend;

import dev.loupe.array.DType;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * What an open backend can do on its device. What is not declared must be refused with {@link
 * UnsupportedOperationException}; the conformance kit tests both.
 *
 * @param dtypes the data types that tensors may have; float32, int64 and bool always among them
 * @param computeDTypes the floating-point types in which every op works; a subset of {@code dtypes}. The
 *     others can be uploaded, downloaded and cast.
 * @param storeDTypes the 16-bit types, out of {@code dtypes}, in which a model's weights are kept while it computes in
 *     float32: a matrix is widened when it is used, of a table the rows that were read. In these {@link
 *     dev.loupe.graph.Op.Gather} works too. A type to compute in may be among them where computing in it is slow.
 * @param deterministic whether the same input gives the same bits in every run
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Capabilities(Set<DType> dtypes, Set<DType> computeDTypes, Set<DType> storeDTypes, boolean deterministic) {

    /** Copies the sets. */
    public Capabilities {
        dtypes = Set.copyOf(dtypes);
        computeDTypes = Set.copyOf(computeDTypes);
        storeDTypes = Set.copyOf(storeDTypes);
    }

    /** Capabilities where models are stored in those 16-bit types that can't be computed in. */
    public Capabilities(Set<DType> dtypes, Set<DType> computeDTypes, boolean deterministic) {
        this(dtypes, computeDTypes, storageOnly(dtypes, computeDTypes), deterministic);
    }

    private static Set<DType> storageOnly(Set<DType> dtypes, Set<DType> computed) {
        Set<DType> rest = new HashSet<>(dtypes);
        rest.removeAll(computed);
        rest.removeIf(type -> !type.isSixteenBits());
        return rest;
    }

    /**
     * The type in which a model computes whose weights are loaded in a type: that itself, or float32 for one that is
     * only stored.
     *
     * @throws UnsupportedOperationException if models can't be loaded in it; lists those in which they can
     */
    public DType computes(DType loaded) {
        if (storeDTypes.contains(loaded)) {
            return DType.FLOAT32;
        } else if (computeDTypes.contains(loaded)) {
            return loaded;
        }
        Set<DType> known = new TreeSet<>(computeDTypes);
        known.addAll(storeDTypes);
        throw new UnsupportedOperationException("can't compute in " + loaded + "; it can in " + known);
    }
}
