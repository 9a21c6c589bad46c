package dev.loupe.conformance;

import dev.loupe.backend.BackendProvider;

/** The kit on a mutant. Run by {@link MutantsTest} alone: its name doesn't look like a test's. */
class MutantConformance extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new MutantProvider();
    }
}
