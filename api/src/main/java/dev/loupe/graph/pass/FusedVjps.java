package dev.loupe.graph.pass;

import dev.loupe.graph.Decompositions;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Derivatives of composite operations, which have their own where that is better in numbers or time. */
final class FusedVjps {

    private FusedVjps() {}

    static void enter() {
        Vjps.enterOne(Op.Softmax.class, (op, at, g) -> at.b().apply(new Op.SoftmaxGradient(op.axis()), g, at.output()));
        Vjps.enterOne(
                Op.LogSoftmax.class, (op, at, g) -> at.b().apply(new Op.LogSoftmaxGradient(op.axis()), g, at.output()));
        Vjps.enterSeveral(Op.Linear.class, FusedVjps::linear);
        Vjps.enterSeveral(Op.LayerNorm.class, (op, at, g) -> norm(true, op.eps(), at, g));
        Vjps.enterSeveral(Op.RmsNorm.class, (op, at, g) -> norm(false, op.eps(), at, g));
        Vjps.enterSeveral(Op.Rotate.class, FusedVjps::rotate);
        Vjps.enterSeveral(Op.Attention.class, FusedVjps::attention);
        Vjps.enter(Op.ActivationGradient.class, FusedVjps::decomposed);
        Vjps.enter(Op.SoftmaxGradient.class, FusedVjps::decomposed);
        Vjps.enter(Op.LogSoftmaxGradient.class, FusedVjps::decomposed);
        Vjps.enter(Op.NormGradient.class, FusedVjps::decomposed);
    }

    /** The derivative of what defines a composite operation; what that computes on its way is computed anew. */
    private static List<@Nullable Value> decomposed(Op op, VjpSite at) {
        Value g = at.gradients().get(0);
        if (g == null) {
            return List.of();
        }
        List<Value> operands = new ArrayList<>();
        // A value that is several operands has a derivative for each.
        for (Value input : at.inputs()) {
            operands.add(operands.contains(input) ? at.b().stop(input) : input);
        }
        Value result = Decompositions.decompose(op, at.b(), operands);
        List<Value> wanted = IntStream.range(0, operands.size())
                .filter(at.needs())
                .mapToObj(operands::get)
                .toList();
        Backward backward = new Backward(at.b(), wanted);
        backward.leaves(operands);
        backward.seed(result, g);
        backward.run();
        @Nullable Value[] all = new Value[operands.size()];
        Arrays.setAll(all, i -> at.needs().test(i) ? backward.gradient(operands.get(i)) : null);
        return Arrays.asList(all);
    }

    private static List<@Nullable Value> linear(Op.Linear op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value x = at.input(0);
        int lead = x.type().rank() - 1;
        return at.each(
                () -> {
                    Value rows = lead == 0 ? b.unsqueeze(g, 0) : g;
                    Value product = b.matmul(rows, ReductionVjps.transposed(b, at.input(1)));
                    return lead == 0 ? b.merge(product, 0, 2) : product;
                },
                () -> {
                    Value rows = lead == 0 ? b.unsqueeze(x, 0) : lead == 1 ? x : b.merge(x, 0, lead);
                    Value slopes = lead == 0 ? b.unsqueeze(g, 0) : lead == 1 ? g : b.merge(g, 0, lead);
                    return b.matmul(ReductionVjps.transposed(b, rows), slopes);
                },
                () -> at.summedTo(g, at.input(2)));
    }

    private static List<@Nullable Value> norm(boolean centres, double eps, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value x = at.input(0);
        boolean scaled = at.inputs().size() > 1;
        Op bare = centres ? new Op.LayerNorm(eps) : new Op.RmsNorm(eps);
        @Nullable Value[] all = new Value[at.inputs().size()];
        all[0] = at.ifNeeded(0, () -> {
            Value inner = scaled ? b.mul(g, at.input(1)) : g;
            return b.apply(new Op.NormGradient(centres, eps), inner, x);
        });
        if (scaled) {
            all[1] = at.ifNeeded(1, () -> at.summedTo(b.mul(g, b.apply(bare, x)), at.input(1)));
        }
        if (all.length > 2) {
            all[2] = at.ifNeeded(2, () -> at.summedTo(g, at.input(2)));
        }
        return Arrays.asList(all);
    }

    // Turning back is turning by the negative angle.
    private static List<@Nullable Value> rotate(Op.Rotate op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value cos = at.input(1);
        Value sin = at.input(2);
        if (at.needs().test(1) || at.needs().test(2)) {
            return decomposed(op, at);
        }
        return List.of(b.apply(op, g, cos, b.unary(Op.UnaryKind.NEG, sin)));
    }

    // The pattern is computed anew: next to what the rest of a block takes, that is cheap, and keeping it would cost
    // [batch, head, pos, key] numbers.
    private static List<@Nullable Value> attention(Op.Attention op, VjpSite at, Value g) {
        return decomposed(op, at);
    }
}
