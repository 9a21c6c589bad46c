package dev.loupe.plugin;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A plugin that was seen on the class path, usable or not.
 *
 * @param id its id, or the name of its class if it couldn't tell
 * @param className the name of its class; what the service file says, if it couldn't be loaded
 * @param plugin the plugin; null if it has a problem
 * @param problem why it can't be used; null if it can
 * @param <P> the kind of plugin
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Discovered<P extends Plugin>(
        String id,
        String className,
        @Nullable P plugin,
        @Nullable Problem problem) {

    /**
     * Why a plugin can't be used.
     *
     * @param kind the kind of problem
     * @param detail what was found
     * @param remedy what to do about it
     * @param cause the failure behind it, if there was one
     */
    public record Problem(
            Kind kind,
            String detail,
            String remedy,
            @Nullable Throwable cause) {

        /** That of a plugin that failed to load or to answer. */
        public static Problem broken(Throwable failure) {
            return new Problem(
                    Kind.BROKEN,
                    "the provider failed: " + failure,
                    "tell its makers, or take it off the class path",
                    failure);
        }
    }

    /** Kinds of problems. */
    public enum Kind {
        /** The plugin failed to load or to answer. */
        BROKEN,
        /** It was compiled against another version of the interface. */
        WRONG_VERSION,
        /** It is listed in a service file of a name that the interface no longer has. */
        OLD_SERVICE_FILE
    }

    static <P extends Plugin> Discovered<P> usable(P plugin) {
        return new Discovered<>(plugin.id(), plugin.getClass().getName(), plugin, null);
    }

    /** One line: who it is, what is wrong, what to do. */
    @Override
    public String toString() {
        return "'" + id + "'" + (id.equals(className) ? "" : " (" + className + ")")
                + (problem == null ? "" : " can't be used: " + problem.detail() + ". What to do: " + problem.remedy());
    }
}
