/** Tokenizers as Hugging Face stores them, run by the library that made them. */
@NullMarked
package dev.loupe.architectures.tokenizer;

import org.jspecify.annotations.NullMarked;
