/** Gemma 2: norms before and behind attention and MLP, soft caps, a sliding window in every other layer. */
@NullMarked
package dev.loupe.architectures.gemma2;

import org.jspecify.annotations.NullMarked;
