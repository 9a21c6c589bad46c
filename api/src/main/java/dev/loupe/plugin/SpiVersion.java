package dev.loupe.plugin;

import org.apiguardian.api.API;

/**
 * The version of the interfaces in this package. A provider returns {@link #CURRENT}; the compiler copies the
 * number into the provider, so that it tells what the provider was compiled against.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class SpiVersion {

    /** The present version. */
    public static final int CURRENT = 1;

    private SpiVersion() {}
}
