package dev.loupe.backend.pytorch;

import dev.loupe.array.DType;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * Which ops libtorch computes well in 16 bits on a device. The others are computed in float32 between widening the
 * operands and rounding the result once.
 *
 * <p>Products and what goes element by element keep float32 inside and round once where libtorch has functions for the
 * type: on GPUs for both types; on a CPU for bfloat16, the products only if the processor has AVX-512 (oneDNN asks for
 * it). float16 on a CPU is some eighty times slower than float32 in libtorch, but for products where the processor has
 * instructions for it. Long sums that libtorch would round at every step never stay in 16 bits.
 */
final class SixteenBits {

    private enum Kind {
        /** Products of matrices. */
        PRODUCT,
        /** One element at a time, or float32 inside: libtorch rounds the result once. */
        ROUNDED_ONCE,
        /** Sums whose steps libtorch would round, and functions that it has no good one for. */
        WIDE
    }

    /** The kinds of ops on operands of a type; those without a line are rounded once. */
    private static final OpTable<DType, Kind> KINDS = new OpTable<DType, Kind>()
            .line(Op.MatMul.class, (op, operand) -> Kind.PRODUCT)
            .line(Op.Linear.class, (op, operand) -> Kind.PRODUCT)
            .line(Op.Attention.class, (op, operand) -> Kind.PRODUCT)
            // libtorch's own for bfloat16 loses the numbers near 0.
            .line(Op.Unary.class, (op, operand) -> op.kind() == Op.UnaryKind.ERF ? Kind.WIDE : Kind.ROUNDED_ONCE)
            .line(Op.CumSum.class, (op, operand) -> Kind.WIDE)
            .line(Op.ScatterAdd.class, (op, operand) -> Kind.WIDE)
            .line(Op.RmsNorm.class, (op, operand) -> Kind.WIDE)
            .line(Op.Rotate.class, (op, operand) -> Kind.WIDE)
            .line(Op.Reduce.class, (op, operand) -> switch (op.kind()) {
                case MAX, MIN -> Kind.ROUNDED_ONCE;
                case SUM, MEAN, PROD -> Kind.WIDE;
            });

    private final Map<DType, Set<Kind>> computed = new EnumMap<>(DType.class);

    SixteenBits(TorchDevice device) {
        if (!device.isCpu()) {
            computed.put(DType.FLOAT16, EnumSet.of(Kind.PRODUCT, Kind.ROUNDED_ONCE));
            computed.put(DType.BFLOAT16, EnumSet.of(Kind.PRODUCT, Kind.ROUNDED_ONCE));
            return;
        }
        Set<Kind> brain = EnumSet.of(Kind.ROUNDED_ONCE);
        Set<Kind> half = EnumSet.noneOf(Kind.class);
        if (device.test("has_bfloat16_products")) {
            brain.add(Kind.PRODUCT);
        }
        if (device.test("has_float16_products")) {
            half.add(Kind.PRODUCT);
        }
        computed.put(DType.BFLOAT16, brain);
        computed.put(DType.FLOAT16, half);
    }

    /** Whether the products of a 16-bit type are libtorch's own here. */
    boolean hasProducts(DType type) {
        return computed.getOrDefault(type, Set.of()).contains(Kind.PRODUCT);
    }

    /** Whether an operand of an op has to be widened. */
    boolean widens(Op op, DType operand) {
        return operand.isSixteenBits()
                && !TorchMovement.moves(op)
                && !computed.getOrDefault(operand, Set.of()).contains(kind(op, operand));
    }

    private static Kind kind(Op op, DType operand) {
        Kind known = KINDS.find(op, operand);
        return known == null ? Kind.ROUNDED_ONCE : known;
    }
}
