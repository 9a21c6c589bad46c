/**
 * How a segment is cut into stages: products with a weight, which carry the rearranged copy of it, and what
 * lies between them, which carries nothing and looks alike in every layer. And which of the stages a choice of
 * outputs needs.
 */
@NullMarked
package dev.loupe.backend.onnx.stage;

import org.jspecify.annotations.NullMarked;
