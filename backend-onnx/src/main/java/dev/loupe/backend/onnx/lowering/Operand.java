package dev.loupe.backend.onnx.lowering;

import dev.loupe.graph.TensorType;

/** A value in a model that is being built: its name there, and its type. */
public record Operand(String name, TensorType type) {}
