/** Operations that are computed in Java: those that the runtime computes otherwise than Loupe defines them. */
@NullMarked
package dev.loupe.backend.onnx.host;

import org.jspecify.annotations.NullMarked;
