package dev.loupe.harvest.spark;

import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.model.HookedTransformer;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The models of this process, each opened once and shared by the tasks that run at a time. One that no task uses is closed
 * when another is asked for, so that an executor that serves many jobs doesn't fill up.
 */
final class ExecutorModels {

    private static final Map<String, Shared> MODELS = new LinkedHashMap<>();
    private static int opened;

    private ExecutorModels() {}

    /** A model in use, until it is closed. */
    static final class Lease implements AutoCloseable {
        private final Shared shared;
        private boolean closed;

        private Lease(Shared shared) {
            this.shared = shared;
        }

        /** The job's model, its dictionaries in it. */
        HookedTransformer model() {
            return shared.model;
        }

        @Override
        public void close() {
            release(this);
        }
    }

    private static final class Shared {
        private final HookedTransformer loaded;
        private final HookedTransformer model;
        private int users;

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

    private static synchronized void release(Lease lease) {
        if (!lease.closed) {
            lease.closed = true;
            lease.shared.users--;
        }
    }

    /** How often a model was opened in this process. */
    static synchronized int opened() {
        return opened;
    }

    /** The model of a job. Tasks that ask while it is being loaded wait for it: they need it anyway. */
    static synchronized Lease lease(HarvestJob job) {
        String key = HarvestJob.of(job.model(), "*")
                .withOptions(job.options())
                .withDictionaries(job.dictionaries())
                .digest();
        Shared known = MODELS.get(key);
        if (known == null) {
            Iterator<Shared> others = MODELS.values().iterator();
            while (others.hasNext()) {
                Shared other = others.next();
                if (other.users == 0) {
                    others.remove();
                    other.close();
                }
            }
            known = new Shared(job);
            opened++;
            MODELS.put(key, known);
        }
        known.users++;
        return new Lease(known);
    }
}
