package dev.loupe.plugin;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * The logging of libraries that backends and loaders use. Loupe itself logs through {@link System.Logger}; some of
 * these log through SLF4J, which complains on standard error where a program has nobody for it to log to.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ForeignLogging {

    private static final String VERBOSITY = "slf4j.internal.verbosity";
    private static final String PROVIDERS = "META-INF/services/org.slf4j.spi.SLF4JServiceProvider";

    private ForeignLogging() {}

    /**
     * Lets SLF4J be silent where there is no provider of it: whoever has chosen none hears nothing. To be called before
     * the library that uses it is touched; what the program has set stays.
     */
    public static void beSilentWithoutProvider() {
        ClassLoader own = ForeignLogging.class.getClassLoader();
        if (!exists(own) && !exists(Thread.currentThread().getContextClassLoader())) {
            System.getProperties().putIfAbsent(VERBOSITY, "ERROR");
        }
    }

    private static boolean exists(@Nullable ClassLoader loader) {
        return loader != null && loader.getResource(PROVIDERS) != null;
    }
}
