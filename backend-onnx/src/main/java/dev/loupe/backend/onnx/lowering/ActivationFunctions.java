package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.graph.Op;

/** Activation functions: in float32 the runtime's own (which want an axis), which go over the numbers once; otherwise composed. */
final class ActivationFunctions {

    private static final double QUICK = 1.702;

    private ActivationFunctions() {}

    static String write(Op.Activation op, LoweringSite at) {
        boolean fits = at.dtype() == DType.FLOAT32 && at.type(0).rank() > 0;
        return fits && at.model().allowsContrib() ? fused(op, at) : composed(op, at);
    }

    private static String fused(Op.Activation op, LoweringSite at) {
        return switch (op.kind()) {
            case GELU -> at.contrib("Gelu");
            case GELU_TANH -> at.contrib("FastGelu");
            case QUICK_GELU -> at.contrib("QuickGelu", Attribute.of("alpha", (float) QUICK));
            case SILU -> at.contrib("QuickGelu", Attribute.of("alpha", 1f));
        };
    }

    private static String composed(Op.Activation op, LoweringSite at) {
        String x = at.input(0);
        return switch (op.kind()) {
            case GELU -> halved(at, ErrorFunction.write(at, at.node("Mul", x, at.scalar(Math.sqrt(0.5)))));
            case GELU_TANH -> {
                String cube = at.node("Mul", at.node("Mul", x, x), x);
                String inner = at.node("Add", x, at.node("Mul", cube, at.scalar(0.044715)));
                yield halved(at, at.node("Tanh", at.node("Mul", inner, at.scalar(Math.sqrt(2 / Math.PI)))));
            }
            case QUICK_GELU -> at.node("Mul", x, at.node("Sigmoid", at.node("Mul", x, at.scalar(QUICK))));
            case SILU -> at.node("Mul", x, at.node("Sigmoid", x));
        };
    }

    /** {@code x/2·(1 + y)}. */
    private static String halved(LoweringSite at, String y) {
        String half = at.node("Mul", at.input(0), at.scalar(0.5));
        return at.node("Mul", half, at.node("Add", y, at.scalar(1)));
    }
}
