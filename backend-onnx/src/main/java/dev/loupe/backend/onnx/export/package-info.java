/** Whole graphs as models for others: with nothing but the standard's operators, and the inputs that a tokenizer gives. */
@NullMarked
package dev.loupe.backend.onnx.export;

import org.jspecify.annotations.NullMarked;
