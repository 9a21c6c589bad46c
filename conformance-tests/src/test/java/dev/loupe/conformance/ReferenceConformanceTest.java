package dev.loupe.conformance;

import dev.loupe.backend.BackendProvider;
import java.util.ServiceLoader;

/** The reference backend by its own measure. */
class ReferenceConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(candidate -> candidate.id().equals("reference"))
                .findFirst()
                .orElseThrow();
    }
}
