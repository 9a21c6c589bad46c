package dev.loupe.backend;

/**
 * Where in a model something belongs, for backends that spread a model over several devices.
 *
 * @param region number of the region, from 0
 * @param regions how many regions there are
 */
public record Placement(int region, int regions) {

    /** Belongs to no particular place. */
    public static final Placement ANYWHERE = new Placement(0, 1);
}
