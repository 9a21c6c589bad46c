package dev.loupe.graph.pass;

import dev.loupe.array.DType;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;

/** Two blocks of a model in miniature, with an optional point and a fused op. */
public final class SmallGraph {

    public static final Dim BATCH = Dim.symbol("batch");

    private SmallGraph() {}

    /**
     * {@code x → hook_in → [blocks.0: exp → inner (optional) → neg | exp then neg at once] → blocks.0.out → [blocks.1: abs
     * → blocks.1.mid → sqrt] → blocks.1.out}, with {@code y} added at the end.
     */
    public static Graph build() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("hook_in", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        b.region("blocks.0");
        Value inner = b.optionalHook("blocks.0.inner", b.unary(Op.UnaryKind.EXP, x));
        Value slow = b.unary(Op.UnaryKind.NEG, inner);
        Value quick = b.unary(Op.UnaryKind.NEG, b.unary(Op.UnaryKind.EXP, x));
        Value first = b.hook("blocks.0.out", b.shortcut(slow, quick, Shortcut.Kind.DETOUR_UNLESS_TOUCHED));
        b.region("blocks.1");
        Value mid = b.hook("blocks.1.mid", b.unary(Op.UnaryKind.ABS, first));
        Value second = b.hook("blocks.1.out", b.unary(Op.UnaryKind.SQRT, mid));
        b.region("unembed");
        Value y = b.input("y", DType.FLOAT32, BATCH, Dim.of(3));
        b.output("sum", b.add(second, y));
        b.output("first", first);
        return b.build();
    }
}
