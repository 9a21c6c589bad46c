/**
 * LLaMA: RMS norm, rotary positions, grouped heads, a gated MLP. {@link
 * dev.loupe.architectures.llama.LlamaCheckpoints} reads the form in which Hugging Face stores it and the many
 * families that are built like it.
 */
@NullMarked
package dev.loupe.architectures.llama;

import org.jspecify.annotations.NullMarked;
