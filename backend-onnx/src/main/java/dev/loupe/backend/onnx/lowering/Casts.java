package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.graph.Op;

/** Conversions to other data types. */
final class Casts {

    private Casts() {}

    // What doesn't fit into an integer, and NaN, the runtime leaves to the processor, and they differ.
    static String write(Op.Cast op, LoweringSite at) {
        DType from = at.dtype();
        DType to = op.to();
        if (!from.isFloating() || !to.isInteger()) {
            return at.cast(at.input(0), to);
        }
        DType wide = from.isSixteenBits() ? DType.FLOAT32 : from;
        String x = wide == from ? at.input(0) : at.cast(at.input(0), wide);
        double beyond = to == DType.INT64 ? 0x1p63 : 0x1p31;
        String tooSmall = at.node("Less", x, at.model().scalar(wide, -beyond));
        String tooLarge = at.node("GreaterOrEqual", x, at.model().scalar(wide, beyond));
        String low = at.where(tooSmall, at.model().scalar(to, -beyond), at.cast(x, to));
        String whole = at.where(tooLarge, at.model().scalar(to, beyond), low);
        return at.where(at.node("IsNaN", x), at.model().scalar(to, 0), whole);
    }
}
