/**
 * Files of named tensors in the safetensors format: a JSON header that says what lies where, then the bytes.
 * Checkpoints come in it, and activations are saved in it. A file is checked from end to end when it is
 * opened, and its tensors are read when they are asked for.
 */
@NullMarked
package dev.loupe.tensor.safetensors;

import org.jspecify.annotations.NullMarked;
