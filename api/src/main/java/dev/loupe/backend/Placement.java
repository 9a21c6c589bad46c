package dev.loupe.backend;

import org.apiguardian.api.API;

/**
 * Where in a model something belongs, for backends that spread a model over several devices, and what it is for.
 *
 * @param region number of the region, from 0
 * @param regions how many regions there are
 * @param factor whether it is a weight by which activations are multiplied, {@code x·W}: some engines are much faster
 *     if the columns of such a matrix lie in a row in memory
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Placement(int region, int regions, boolean factor) {

    /** Belongs to no particular place. */
    public static final Placement ANYWHERE = new Placement(0, 1);

    /** A place for something that activations aren't multiplied by. */
    public Placement(int region, int regions) {
        this(region, regions, false);
    }
}
