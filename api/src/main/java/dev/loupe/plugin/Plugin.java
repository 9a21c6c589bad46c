package dev.loupe.plugin;

import org.apiguardian.api.API;

/**
 * What every kind of plugin tells of itself. Plugins are found by {@link java.util.ServiceLoader}; {@link Plugins}
 * holds the rules that all kinds share.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface Plugin {

    /** The name by which users ask for it: {@code [a-z][a-z0-9-]*}, unique among its kind. */
    String id();

    /** Returns {@link SpiVersion#CURRENT}, which the compiler copies into the plugin. */
    int spiVersion();
}
