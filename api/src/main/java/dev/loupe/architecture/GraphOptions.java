package dev.loupe.architecture;

import dev.loupe.array.DType;
import org.apiguardian.api.API;

/**
 * What a graph is to be built for.
 *
 * @param dtype the floating-point type of weights and activations
 * @param keyValueCache whether keys and values of earlier positions are fed, and the extended ones given back
 * @param selectPositions whether the unembedding runs on chosen positions only, which are fed
 */
@API(status = API.Status.STABLE, since = "0.1")
public record GraphOptions(DType dtype, boolean keyValueCache, boolean selectPositions) {

    /** A plain graph: no key/value cache, logits at all positions. */
    public static GraphOptions plain(DType dtype) {
        return new GraphOptions(dtype, false, false);
    }
}
