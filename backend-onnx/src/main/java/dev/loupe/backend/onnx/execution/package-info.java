/**
 * How a segment is run: its stages as sessions of the runtime or in Java, and operations one by one; the values of one
 * run, and the sizes that its inputs give to the segment's symbols.
 */
@NullMarked
package dev.loupe.backend.onnx.execution;

import org.jspecify.annotations.NullMarked;
