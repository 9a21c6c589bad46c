package dev.loupe.backend;

import dev.loupe.plugin.Plugin;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Offers a compute backend. Found by {@link java.util.ServiceLoader}: list the class in {@code
 * META-INF/services/dev.loupe.backend.BackendProvider} (or annotate it with {@code @AutoService}). Construction
 * is trivial and can't fail.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface BackendProvider extends Plugin {

    /**
     * Preference among the available backends when the user names none: the highest wins, a tie at the top is
     * an error. Loupe's own are onnx 300, pytorch 200, reference 100 on a CPU.
     *
     * @param device the device that was asked for, such as {@code cpu} or {@code cuda:0}
     */
    default int priority(String device) {
        return 0;
    }

    /**
     * Tells whether the backend could be opened. Cheap; never throws, downloads, or loads native code for good.
     */
    Availability probe();

    /**
     * The names of those {@linkplain BackendOptions#extra extra settings} that this backend knows. Others are refused
     * before it is opened.
     */
    default Set<String> settings() {
        return Set.of();
    }

    /**
     * Opens the backend.
     *
     * @throws BackendUnavailableException if it can't be opened with these options: a library is missing, the
     *     device isn't there; never falls back to another device in silence
     */
    Backend open(BackendOptions options);
}
