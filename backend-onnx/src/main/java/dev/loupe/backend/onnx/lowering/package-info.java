/** What each operation is in terms of ONNX nodes: the table, and the few operations that take more than a row. */
@NullMarked
package dev.loupe.backend.onnx.lowering;

import org.jspecify.annotations.NullMarked;
