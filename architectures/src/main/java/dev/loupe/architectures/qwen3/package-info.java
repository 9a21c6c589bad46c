/** Qwen 3: as LLaMA, with norms of each head's queries and keys. */
@NullMarked
package dev.loupe.architectures.qwen3;

import org.jspecify.annotations.NullMarked;
