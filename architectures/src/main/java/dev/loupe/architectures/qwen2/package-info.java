/** Qwen 2 and 2.5: as LLaMA, with biases of queries, keys and values, and a sliding window in some layers. */
@NullMarked
package dev.loupe.architectures.qwen2;

import org.jspecify.annotations.NullMarked;
