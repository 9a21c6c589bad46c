package dev.loupe.architecture;

import java.time.Duration;
import org.apiguardian.api.API;

/**
 * Is told how the loading of a model goes on, see {@link LoadOptions#withListener}. Loupe itself shows nothing of it.
 * Called on the thread that loads, and often; what a method throws ends the loading.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface LoadListener {

    /** Hears of nothing. */
    LoadListener NONE = new LoadListener() {};

    /** What takes a while. */
    enum Kind {
        /** A file is fetched. */
        DOWNLOAD,
        /** Weights are read, processed and handed to the backend. */
        READ
    }

    /**
     * Something that takes a while, measured in bytes.
     *
     * @param name of the file or the model: {@code org/name/model.safetensors}, {@code gpt2}
     * @param bytes how many there are in all; negative if nobody knows
     */
    record Task(Kind kind, String name, long bytes) {}

    /** A task begins. One ends before the next one does. */
    default void begun(Task task) {}

    /**
     * More is done.
     *
     * @param done bytes that are done in all, those that an earlier download left included; less than before if a
     *     download had to begin anew
     */
    default void progress(Task task, long done) {}

    /** A task is over, finished or not. */
    default void ended(Task task) {}

    /**
     * The Hub can't answer now, and will be asked again.
     *
     * @param reason what it said
     * @param pause how long to wait before that
     */
    default void waiting(String reason, Duration pause) {}
}
