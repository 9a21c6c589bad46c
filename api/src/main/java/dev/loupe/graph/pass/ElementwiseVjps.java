package dev.loupe.graph.pass;

import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.Value;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Derivatives of the operations that make each element out of one element of each input. */
final class ElementwiseVjps {

    private static final Map<UnaryKind, Vjp.OfOne<Op.Unary>> UNARY = new EnumMap<>(UnaryKind.class);
    private static final Map<BinaryKind, Vjp.OfSeveral<Op.Binary>> BINARY = new EnumMap<>(BinaryKind.class);

    private ElementwiseVjps() {}

    static void enter() {
        unaries();
        binaries();
        Vjps.enterOne(
                Op.Unary.class,
                (op, at, g) -> Objects.requireNonNull(UNARY.get(op.kind())).pull(op, at, g));
        Vjps.enterSeveral(
                Op.Binary.class,
                (op, at, g) -> Objects.requireNonNull(BINARY.get(op.kind())).pull(op, at, g));
        Vjps.enterSeveral(Op.Where.class, ElementwiseVjps::where);
        Vjps.enterOne(
                Op.Cast.class, (op, at, g) -> at.b().cast(g, at.input(0).type().dtype()));
        Vjps.enterOne(
                Op.Activation.class, (op, at, g) -> at.b().apply(new Op.ActivationGradient(op.kind()), g, at.input(0)));
    }

    private static void unaries() {
        unary(UnaryKind.NEG, (op, at, g) -> at.b().unary(UnaryKind.NEG, g));
        unary(UnaryKind.ABS, (op, at, g) -> at.b().mul(g, at.b().unary(UnaryKind.SIGN, at.input(0))));
        unary(UnaryKind.EXP, (op, at, g) -> at.b().mul(g, at.output()));
        unary(UnaryKind.LOG, (op, at, g) -> at.b().div(g, at.input(0)));
        unary(UnaryKind.SQRT, (op, at, g) -> at.b().div(at.b().mul(g, at.number(0.5)), at.output()));
        unary(UnaryKind.RSQRT, (op, at, g) -> {
            GraphBuilder b = at.b();
            Value cube = b.mul(b.mul(at.output(), at.output()), at.output());
            return b.mul(b.mul(g, at.number(-0.5)), cube);
        });
        unary(
                UnaryKind.RECIPROCAL,
                (op, at, g) -> at.b().unary(UnaryKind.NEG, at.b().mul(g, at.b().mul(at.output(), at.output()))));
        unary(UnaryKind.SIN, (op, at, g) -> at.b().mul(g, at.b().unary(UnaryKind.COS, at.input(0))));
        unary(
                UnaryKind.COS,
                (op, at, g) -> at.b().unary(UnaryKind.NEG, at.b().mul(g, at.b().unary(UnaryKind.SIN, at.input(0)))));
        unary(UnaryKind.TANH, (op, at, g) -> {
            GraphBuilder b = at.b();
            return b.mul(g, b.sub(at.number(1), b.mul(at.output(), at.output())));
        });
        unary(UnaryKind.ERF, (op, at, g) -> {
            GraphBuilder b = at.b();
            Value bell = b.unary(UnaryKind.EXP, b.unary(UnaryKind.NEG, b.mul(at.input(0), at.input(0))));
            return b.mul(g, b.mul(bell, at.number(2 / Math.sqrt(Math.PI))));
        });
        unary(UnaryKind.SIGMOID, (op, at, g) -> {
            GraphBuilder b = at.b();
            return b.mul(g, b.mul(at.output(), b.sub(at.number(1), at.output())));
        });
        unary(UnaryKind.RELU, (op, at, g) -> {
            GraphBuilder b = at.b();
            Value above = b.binary(BinaryKind.GT, at.input(0), at.number(0));
            return b.where(above, g, at.number(0));
        });
        for (UnaryKind flat : List.of(
                UnaryKind.SIGN, UnaryKind.FLOOR, UnaryKind.CEIL, UnaryKind.ROUND, UnaryKind.NOT, UnaryKind.IS_NAN)) {
            unary(flat, (op, at, g) -> null);
        }
    }

    private static void binaries() {
        binary(BinaryKind.ADD, (op, at, g) -> at.each(() -> toInput(at, 0, g), () -> toInput(at, 1, g)));
        binary(
                BinaryKind.SUB,
                (op, at, g) -> at.each(() -> toInput(at, 0, g), () -> at.b().unary(UnaryKind.NEG, toInput(at, 1, g))));
        binary(
                BinaryKind.MUL,
                (op, at, g) -> at.each(
                        () -> toInput(at, 0, at.b().mul(g, at.input(1))),
                        () -> toInput(at, 1, at.b().mul(g, at.input(0)))));
        binary(
                BinaryKind.DIV,
                (op, at, g) -> at.each(() -> toInput(at, 0, at.b().div(g, at.input(1))), () -> {
                    Value share = at.b().div(at.b().mul(g, at.output()), at.input(1));
                    return at.b().unary(UnaryKind.NEG, toInput(at, 1, share));
                }));
        binary(BinaryKind.POW, ElementwiseVjps::power);
        binary(BinaryKind.MAX, (op, at, g) -> extreme(at, g, BinaryKind.GT));
        binary(BinaryKind.MIN, (op, at, g) -> extreme(at, g, BinaryKind.LT));
        for (BinaryKind truth : List.of(
                BinaryKind.EQ,
                BinaryKind.NE,
                BinaryKind.LT,
                BinaryKind.LE,
                BinaryKind.GT,
                BinaryKind.GE,
                BinaryKind.AND,
                BinaryKind.OR)) {
            binary(truth, (op, at, g) -> List.of());
        }
    }

    private static void unary(UnaryKind kind, Vjp.OfOne<Op.Unary> vjp) {
        UNARY.put(kind, vjp);
    }

    private static void binary(BinaryKind kind, Vjp.OfSeveral<Op.Binary> vjp) {
        BINARY.put(kind, vjp);
    }

    static boolean has(UnaryKind kind) {
        return UNARY.containsKey(kind);
    }

    static boolean has(BinaryKind kind) {
        return BINARY.containsKey(kind);
    }

    private static Value toInput(VjpSite at, int index, Value g) {
        return at.summedTo(g, at.input(index));
    }

    // x^y: y·x^(y-1), which is 0 where y is 0, though x^(-1) may be infinite; and x^y·log(x), which is 0 where x^y is
    // 0, though log(x) is infinite there.
    private static List<@Nullable Value> power(Op.Binary op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value x = at.input(0);
        Value y = at.input(1);
        return at.each(
                () -> {
                    Value slope = b.mul(y, b.binary(BinaryKind.POW, x, b.sub(y, at.number(1))));
                    Value flat = b.binary(BinaryKind.EQ, y, at.number(0));
                    return toInput(at, 0, b.mul(g, b.where(flat, at.number(0), slope)));
                },
                () -> {
                    Value slope = b.mul(at.output(), b.unary(UnaryKind.LOG, x));
                    Value zero = b.binary(BinaryKind.EQ, at.output(), at.number(0));
                    return toInput(at, 1, b.mul(g, b.where(zero, at.number(0), slope)));
                });
    }

    private static List<@Nullable Value> extreme(VjpSite at, Value g, BinaryKind better) {
        return at.each(() -> share(at, g, better, 0), () -> share(at, g, better, 1));
    }

    private static Value share(VjpSite at, Value g, BinaryKind better, int index) {
        GraphBuilder b = at.b();
        Value own = at.input(index);
        Value other = at.input(1 - index);
        Value tie = b.binary(BinaryKind.EQ, own, other);
        Value wins = b.binary(better, own, other);
        Value whole = b.where(wins, g, at.number(0));
        return toInput(at, index, b.where(tie, b.mul(g, at.number(0.5)), whole));
    }

    private static List<@Nullable Value> where(Op.Where op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value condition = at.input(0);
        return Arrays.asList(
                null,
                at.ifNeeded(1, () -> toInput(at, 1, b.where(condition, g, at.number(0)))),
                at.ifNeeded(2, () -> toInput(at, 2, b.where(condition, at.number(0), g))));
    }
}
