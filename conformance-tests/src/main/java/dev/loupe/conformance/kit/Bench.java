package dev.loupe.conformance.kit;

import dev.loupe.array.DType;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Backends;
import dev.loupe.backend.Capabilities;
import dev.loupe.conformance.measures.Oracle;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** The backend on trial and, beside it, the reference. Both are opened when they are first needed. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Bench implements AutoCloseable {

    private final BackendProvider provider;
    private final BackendOptions options;
    private @Nullable Backend backend;
    private @Nullable Backend reference;

    public Bench(BackendProvider provider, BackendOptions options) {
        this.provider = provider;
        this.options = options;
    }

    /** The provider on trial. */
    public BackendProvider provider() {
        return provider;
    }

    /** How its backend is opened. */
    public BackendOptions options() {
        return options;
    }

    /** The backend on trial, open. */
    public synchronized Backend backend() {
        Backend open = backend;
        if (open == null) {
            open = open();
            backend = open;
        }
        return open;
    }

    /** Another one of the backends on trial; whoever asks closes it. */
    public Backend open() {
        if (provider.probe() instanceof Availability.Unavailable unavailable) {
            throw new BackendUnavailableException("'" + provider.id() + "' can't be tested, since it is not available: "
                    + unavailable.detail() + ". What to do: " + unavailable.remedy());
        }
        return provider.open(options);
    }

    /** What the backend on trial says it can do. */
    public Capabilities capabilities() {
        return backend().capabilities();
    }

    /** Declared types, in the order of the enumeration. */
    public List<DType> types() {
        return Arrays.stream(DType.values())
                .filter(capabilities().dtypes()::contains)
                .toList();
    }

    /** Types that are not declared. */
    public List<DType> undeclared() {
        return Arrays.stream(DType.values())
                .filter(type -> !capabilities().dtypes().contains(type))
                .toList();
    }

    /** Floating-point types to compute in. */
    public List<DType> floats() {
        return Arrays.stream(DType.values())
                .filter(capabilities().computeDTypes()::contains)
                .toList();
    }

    /** Floating-point types that are declared, but not to compute in. */
    public List<DType> storageOnly() {
        return types().stream()
                .filter(type -> type.isFloating() && !floats().contains(type))
                .toList();
    }

    /** Types in which operations on any number work: floats to compute in, and whole numbers. */
    public List<DType> numbers() {
        return types().stream()
                .filter(type -> type.isInteger() || floats().contains(type))
                .toList();
    }

    /** Types in which every element can be moved: all but those for storage alone. */
    public List<DType> movable() {
        return types().stream().filter(type -> !storageOnly().contains(type)).toList();
    }

    /** The reference backend. */
    public synchronized Backend reference() {
        Backend open = reference;
        if (open == null) {
            open = Backends.open("reference", BackendOptions.DEFAULT);
            if (!open.capabilities().computeDTypes().contains(DType.FLOAT64)) {
                throw new IllegalStateException("The backend 'reference' must compute in float64; something else on "
                        + "the class path calls itself so");
            }
            reference = open;
        }
        return open;
    }

    /** Knows what is right. */
    public Oracle oracle() {
        return new Oracle(reference());
    }

    @Override
    public synchronized void close() {
        if (backend != null) {
            backend.close();
        }
        if (reference != null) {
            reference.close();
        }
        backend = null;
        reference = null;
    }
}
