/**
 * ONNX Runtime behind wrappers that keep it from harm: the runtime reads memory that Java forgot and runs
 * sessions that Java closed, and ends the process over it; what is here counts references instead.
 */
@NullMarked
package dev.loupe.backend.onnx.runtime;

import org.jspecify.annotations.NullMarked;
