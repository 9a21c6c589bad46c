/** A backend on ONNX Runtime, and what else it offers: a model as an ONNX file, tensors as DJL's arrays. */
@NullMarked
package dev.loupe.backend.onnx;

import org.jspecify.annotations.NullMarked;
