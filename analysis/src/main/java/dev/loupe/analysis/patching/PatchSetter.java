package dev.loupe.analysis.patching;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;

import dev.loupe.array.Index;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import org.apiguardian.api.API;

/** Makes the patched activation out of the corrupted and the clean one. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface PatchSetter {

    /**
     * The patched activation.
     *
     * @param corrupted the corrupted run's activation
     * @param index where to patch: one number for each axis of the sweep; a layer, if the sweep has them, stands
     *     first
     * @param clean the clean run's activation, of the same shape
     * @return of the same shape
     */
    Tensor apply(Tensor corrupted, int[] index, Tensor clean);

    /** Index (layer, pos): one position of [batch, pos, …]. */
    static PatchSetter layerPos() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), index[1]);
    }

    /** Index (layer, pos, head): one head at one position of [batch, pos, head, d_head]. */
    static PatchSetter layerPosHeadVector() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), index[1], index[2]);
    }

    /** Index (layer, head): one head at all positions of [batch, pos, head, d_head]. */
    static PatchSetter layerHeadVector() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), all(), index[1]);
    }

    /** Index (layer, head): the whole pattern of one head of [batch, head, dest, src]. */
    static PatchSetter layerHeadPattern() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), index[1]);
    }

    /** Index (layer, head, dest): one row of a head's pattern. */
    static PatchSetter layerHeadPosPattern() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), index[1], index[2]);
    }

    /** Index (layer, head, dest, src): one entry of a head's pattern. */
    static PatchSetter layerHeadDestSrcPosPattern() {
        return (corrupted, index, clean) -> copy(corrupted, clean, all(), index[1], index[2], index[3]);
    }

    private static Tensor copy(Tensor corrupted, Tensor clean, Object... place) {
        Index.Selection selection = at(Arrays.copyOf(place, place.length));
        return corrupted.with(selection, clean.get(selection));
    }
}
