/**
 * Files of models on the Hugging Face Hub: fetched when they are needed, into the cache that Python's {@code
 * huggingface_hub} keeps, so that a model fetched by one is found by the other.
 */
@NullMarked
package dev.loupe.architectures.hub;

import org.jspecify.annotations.NullMarked;
