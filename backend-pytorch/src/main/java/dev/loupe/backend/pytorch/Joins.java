package dev.loupe.backend.pytorch;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segment.Step;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds steps that one function in {@code ops.py} does at once: norms whose scale is looked at, and attention whose
 * scores or pattern are, which a graph spells out. On a GPU each step is a launch, and a run of many small ones takes as
 * long as it takes to launch them.
 */
final class Joins {

    /**
     * Steps that are done at once.
     *
     * @param function its name in {@code ops.py}
     * @param arguments numbers that follow the operands
     * @param constants numbers that follow them as scalars of the first operand's type, which lie on the device already
     * @param inputs slots of the operands
     * @param outputs slots of the results
     * @param steps which steps they are
     */
    record Join(
            String function,
            List<Object> arguments,
            List<Double> constants,
            List<Integer> inputs,
            List<Integer> outputs,
            List<Integer> steps) {

        int last() {
            return steps.stream().mapToInt(step -> step).max().orElseThrow();
        }
    }

    private static final Op SWAP = new Op.Transpose(List.of(0, 2, 1, 3));
    private static final Op TURN = new Op.Transpose(List.of(0, 2, 3, 1));
    private static final Op PATTERN = new Op.Softmax(3);
    private static final Op WHERE = new Op.Where();
    private static final Op PRODUCT = new Op.MatMul();
    private static final Op HEADS = new Op.MergeAxes(1, 2);
    private static final Op ADD = new Op.Binary(BinaryKind.ADD);
    private static final Op SUB = new Op.Binary(BinaryKind.SUB);
    private static final Op MUL = new Op.Binary(BinaryKind.MUL);
    private static final Op DIV = new Op.Binary(BinaryKind.DIV);
    private static final Op SQRT = new Op.Unary(UnaryKind.SQRT);

    private static final List<Double> UNSEEN_AND_ZERO = List.of(Double.NEGATIVE_INFINITY, 0.0);

    /** For {@code ops.py}: to no other type. */
    private static final int AS_IT_IS = -1;

    private final Segment segment;
    private final List<Step> steps;
    private final Set<Integer> wanted;
    private final Map<Integer, Integer> madeBy = new HashMap<>();
    private final Map<Integer, List<Integer>> readBy = new HashMap<>();
    private final @Nullable Join[] joinOf;

    private Joins(Segment segment, List<Step> steps, Set<Integer> wanted) {
        this.segment = segment;
        this.steps = steps;
        this.wanted = wanted;
        this.joinOf = new Join[steps.size()];
        for (int i = 0; i < steps.size(); i++) {
            for (int slot : steps.get(i).outputs()) {
                madeBy.put(slot, i);
            }
            for (int slot : steps.get(i).inputs()) {
                readBy.computeIfAbsent(slot, s -> new ArrayList<>()).add(i);
            }
        }
    }

    /**
     * For each step the join that it is part of, null if it is done by itself.
     *
     * @param wanted slots whose values are given back
     */
    static @Nullable Join[] find(Segment segment, List<Step> steps, Set<Integer> wanted) {
        Joins joins = new Joins(segment, steps, wanted);
        for (int i = 0; i < steps.size(); i++) {
            Op op = steps.get(i).op();
            if (op.equals(DIV)) {
                joins.norm(i);
            } else if (op.equals(PATTERN)) {
                joins.pattern(i);
            }
        }
        return joins.joinOf;
    }

    /** Steps that have been found to belong together, as long as each is the op that is expected. */
    private final class Chain {

        private final List<Integer> found = new ArrayList<>();
        private boolean fits = true;

        /** Adds the step that makes a slot, and gives the operand's slot. */
        int back(Op op, int slot, int operand) {
            Integer maker = madeBy.get(slot);
            if (!fits || maker == null || !steps.get(maker).op().equals(op)) {
                fits = false;
                return slot;
            }
            if (!found.contains(maker)) {
                found.add(maker);
            }
            return steps.get(maker).inputs().get(operand);
        }

        /** As {@link #back}, of a cast or a split into anything; the slot itself if it isn't made by one. */
        int backThrough(Class<? extends Op> kind, int slot) {
            Integer maker = madeBy.get(slot);
            return maker != null && kind.isInstance(steps.get(maker).op())
                    ? back(steps.get(maker).op(), slot, 0)
                    : slot;
        }

        /** The number in a slot, whose step is added if nobody else reads it. */
        double number(int slot) {
            Integer maker = madeBy.get(slot);
            if (maker == null
                    || !(steps.get(maker).op() instanceof Op.Full full)
                    || full.shape().rank() != 0) {
                fits = false;
                return 0;
            }
            if (readersOf(slot).size() == 1) {
                found.add(maker);
            }
            return full.value();
        }

        void must(boolean condition) {
            fits &= condition;
        }
    }

    private List<Integer> readersOf(int slot) {
        return readBy.getOrDefault(slot, List.of());
    }

    /** {@code spread / sqrt(mean(spread²) + eps)}, the root being rounded to 16 bits and back on the way, or not. */
    private void norm(int at) {
        Step division = steps.get(at);
        int spread = division.inputs().get(0);
        Op mean = new Op.Reduce(
                ReduceKind.MEAN, List.of(segment.types().get(spread).rank() - 1), true);
        Chain chain = new Chain();
        chain.found.add(at);
        int narrow = chain.backThrough(Op.Cast.class, division.inputs().get(1));
        int root = narrow == division.inputs().get(1) ? narrow : chain.backThrough(Op.Cast.class, narrow);
        chain.must(narrow == division.inputs().get(1) || root != narrow);
        int sum = chain.back(SQRT, root, 0);
        int meanSquare = chain.back(ADD, sum, 0);
        double eps = chain.fits ? chain.number(chain.back(ADD, sum, 1)) : 0;
        int square = chain.back(mean, meanSquare, 0);
        chain.must(chain.back(MUL, square, 0) == spread && chain.back(MUL, square, 1) == spread);
        if (!chain.fits) {
            return;
        }
        DType type = segment.types().get(narrow).dtype();
        int to = type == segment.types().get(root).dtype() ? AS_IT_IS : TorchTypes.code(type);
        Chain centre = new Chain();
        centre.found.addAll(chain.found);
        int x = centre.back(SUB, spread, 0);
        centre.must(centre.fits && centre.back(mean, centre.back(SUB, spread, 1), 0) == x);
        List<Integer> outputs = List.of(narrow, division.outputs().get(0));
        if (!centre.fits
                || !join(
                        new Join("norm_parts", List.of(eps, true, to), List.of(), List.of(x), outputs, centre.found))) {
            join(new Join("norm_parts", List.of(eps, false, to), List.of(), List.of(spread), outputs, chain.found));
        }
    }

    /** The softmax of {@code where(mask, scale·q·k, -inf)}, heads sharing keys or not. */
    private void pattern(int at) {
        Chain chain = new Chain();
        int pattern = steps.get(at).outputs().get(0);
        int scores = chain.back(PATTERN, pattern, 0);
        int mask = chain.back(WHERE, scores, 0);
        int scaled = chain.back(WHERE, scores, 1);
        if (!chain.fits || chain.number(chain.back(WHERE, scores, 2)) != Double.NEGATIVE_INFINITY) {
            return;
        }
        int raw = chain.back(MUL, scaled, 0);
        double scale = chain.fits ? chain.number(chain.back(MUL, scaled, 1)) : 0;
        int product = chain.backThrough(Op.MergeAxes.class, raw);
        chain.must(product == raw || chain.back(HEADS, raw, 0) == product);
        int queries = chain.back(PRODUCT, product, 0);
        int keys = chain.back(PRODUCT, product, 1);
        if (product != raw) {
            queries = chain.backThrough(Op.SplitAxis.class, queries);
            keys = chain.backThrough(Op.SplitAxis.class, keys);
        }
        int q = chain.back(SWAP, queries, 0);
        int k = chain.back(TURN, keys, 0);
        if (chain.fits) {
            join(new Join(
                    "attention_pattern",
                    List.of(scale),
                    UNSEEN_AND_ZERO,
                    List.of(q, k, mask),
                    List.of(scores, pattern),
                    chain.found));
        }
    }

    /** Takes a join, unless somebody looks at what it doesn't give, or before it is there. */
    private boolean join(Join join) {
        for (int step : join.steps()) {
            if (joinOf[step] != null || !steps.get(step).outputs().stream().allMatch(slot -> isSeen(join, slot))) {
                return false;
            }
        }
        join.steps().forEach(step -> joinOf[step] = join);
        return true;
    }

    private boolean isSeen(Join join, int slot) {
        boolean given = join.outputs().contains(slot);
        return (given || !wanted.contains(slot))
                && readersOf(slot).stream()
                        .allMatch(reader -> join.steps().contains(reader) || given && reader > join.last());
    }
}
