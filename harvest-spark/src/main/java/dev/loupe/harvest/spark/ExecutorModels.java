package dev.loupe.harvest.spark;

import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.model.HookedTransformer;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The models of this process, each opened once and shared by the tasks that run at a time. One that no task uses is closed
 * when another is asked for, so that an executor that serves many jobs doesn't fill up.
 */
final class ExecutorModels {

    private static final ReferenceCountedCache<String, Shared> MODELS =
            new ReferenceCountedCache<>(Integer.MAX_VALUE, Shared::close);
    private static final AtomicInteger OPENED = new AtomicInteger();

    private ExecutorModels() {}

    /** A model in use, until it is closed. */
    static final class Lease implements AutoCloseable {
        private final ReferenceCountedCache.Lease<Shared> shared;
        private final AtomicBoolean closed = new AtomicBoolean();

        private Lease(ReferenceCountedCache.Lease<Shared> shared) {
            this.shared = shared;
        }

        /** The job's model, its dictionaries in it. */
        HookedTransformer model() {
            return shared.value().model;
        }

        @Override
        public void close() {
            if (closed.compareAndSet(false, true)) {
                shared.close();
            }
        }
    }

    private static final class Shared {
        private final HookedTransformer loaded;
        private final HookedTransformer model;

        Shared(HarvestJob job) {
            loaded = job.openModel();
            try {
                model = job.spliced(loaded);
            } catch (RuntimeException | Error e) {
                loaded.close();
                throw e;
            }
        }

        void close() {
            model.close();
            loaded.close();
        }
    }

    /** How often a model was opened in this process. */
    static int opened() {
        return OPENED.get();
    }

    /** The model of a job. Tasks that ask while it is being loaded wait for it; those of other jobs don't. */
    static Lease lease(HarvestJob job) {
        String key = HarvestJob.of(job.model(), "*")
                .withOptions(job.options())
                .withDictionaries(job.dictionaries())
                .digest();
        return new Lease(MODELS.acquire(key, missing -> open(job)));
    }

    private static Shared open(HarvestJob job) {
        // Before the new one needs the memory.
        MODELS.closeUnused();
        Shared shared = new Shared(job);
        OPENED.incrementAndGet();
        return shared;
    }
}
