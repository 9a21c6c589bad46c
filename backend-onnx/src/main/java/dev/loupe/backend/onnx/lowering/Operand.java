package dev.loupe.backend.onnx.lowering;

import dev.loupe.graph.TensorType;
import org.apiguardian.api.API;

/** A value in a model that is being built: its name there, and its type. */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Operand(String name, TensorType type) {}
