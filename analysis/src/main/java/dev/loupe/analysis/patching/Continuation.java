package dev.loupe.analysis.patching;

import java.util.List;

/**
 * What a run needs besides a patched activation to go on from there: what flows past the point, and its siblings. The
 * rest of the model above the point isn't run again.
 *
 * @param point full name of the patched point
 * @param beside full names of the points that are fed along with it
 * @param layer the block that it stands in, or the first that is made from it; −1 behind the last block
 * @param local whether a change at one position stays there until the block's end: no other position's keys or values
 *     are made from it
 * @param pastAttention whether it stands behind the block's attention
 */
record Continuation(String point, List<String> beside, int layer, boolean local, boolean pastAttention) {}
