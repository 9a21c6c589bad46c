/** Mistral: LLaMA's blocks with a sliding window. */
@NullMarked
package dev.loupe.architectures.mistral;

import org.jspecify.annotations.NullMarked;
