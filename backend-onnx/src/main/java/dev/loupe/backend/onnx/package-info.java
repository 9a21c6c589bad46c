/** A backend on ONNX Runtime. */
@NullMarked
package dev.loupe.backend.onnx;

import org.jspecify.annotations.NullMarked;
