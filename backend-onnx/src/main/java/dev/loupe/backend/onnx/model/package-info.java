/** ONNX models as they are written down: the protobuf encoding, nodes, constants, inputs and outputs. */
@NullMarked
package dev.loupe.backend.onnx.model;

import org.jspecify.annotations.NullMarked;
