/** Gemma 3, text: as Gemma 2 without caps, with norms of queries and keys and two kinds of rotary positions. */
@NullMarked
package dev.loupe.architectures.gemma3;

import org.jspecify.annotations.NullMarked;
