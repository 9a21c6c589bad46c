package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;

/** The operations that only change the sizes. */
final class Shapes {

    private Shapes() {}

    static String reshape(Op.Reshape op, LoweringSite at) {
        return fixed(at, longs(op.shape().toArray()));
    }

    static String splitAxis(Op.SplitAxis op, LoweringSite at) {
        TensorType out = at.out().get(0);
        List<Long> ones = new ArrayList<>();
        for (int i = 0; i < op.sizes().size(); i++) {
            if (op.sizes().get(i) == 1) {
                ones.add((long) op.axis() + i);
            }
        }
        if (ones.size() == op.sizes().size() - 1) {
            return at.node("Unsqueeze", at.input(0), at.ints(ones));
        }
        return reshape(at, out, op.axis(), 1, op.sizes());
    }

    static String mergeAxes(Op.MergeAxes op, LoweringSite at) {
        if (op.count() == 1) {
            return at.input(0);
        }
        return reshape(at, at.out().get(0), op.axis(), op.count(), List.of(-1L));
    }

    static String reshapeLike(Op.ReshapeLike op, LoweringSite at) {
        return at.node("Reshape", at.input(0), at.node("Shape", at.input(1)), Attribute.of("allowzero", 1));
    }

    static List<String> splitLike(Op.SplitLike op, LoweringSite at) {
        List<String> sizes = new ArrayList<>();
        for (int i = 1; i < at.in().size(); i++) {
            sizes.add(size(at, i, op.axis()));
        }
        String lengths = sizes.size() == 1 ? sizes.get(0) : at.node("Concat", sizes, Attribute.of("axis", 0));
        return at.model().nodes("Split", sizes.size(), List.of(at.input(0), lengths), Attribute.of("axis", op.axis()));
    }

    /**
     * Zeros before and after the update; where the slice takes steps, zeros between its elements first, but for those
     * behind the last.
     */
    static String unslice(Op.Unslice op, LoweringSite at) {
        String zero = at.model().scalar(at.dtype(), 0);
        String update = at.input(0);
        String length = size(at, 0, op.axis());
        Dim axis = at.type(1).dim(op.axis());
        long step = axis.isFixed() ? Math.min(op.step(), Math.max(1, axis.value())) : op.step();
        if (step > 1) {
            String apart = at.node("Unsqueeze", update, at.ints(op.axis() + 1));
            List<String> pads = List.of(apart, at.ints(0, step - 1), zero, at.ints(op.axis() + 1));
            String spread = at.node("Pad", pads);
            String before = at.node("Shape", update, Attribute.of("start", 0), Attribute.of("end", op.axis()));
            String after = at.node("Shape", update, Attribute.of("start", op.axis() + 1));
            String spreadLength = at.node("Mul", length, at.ints(step));
            String sizes = at.node("Concat", List.of(before, spreadLength, after), Attribute.of("axis", 0));
            String merged = at.node("Reshape", spread, sizes, Attribute.of("allowzero", 1));
            String end = at.node("Sub", spreadLength, at.ints(step - 1));
            update = at.node("Slice", List.of(merged, at.ints(0), end, at.ints(op.axis())));
            length = end;
        }
        String whole = size(at, 1, op.axis());
        String start = op.start() < 0
                ? at.node("Max", at.node("Add", whole, at.ints(op.start())), at.ints(0))
                : at.node("Min", whole, at.ints(op.start()));
        String rest = at.node("Sub", at.node("Sub", whole, start), length);
        String pads = at.node("Concat", List.of(start, rest), Attribute.of("axis", 0));
        return at.node("Pad", List.of(update, pads, zero, at.ints(op.axis())));
    }

    private static String size(LoweringSite at, int input, int axis) {
        return at.node("Shape", at.input(input), Attribute.of("start", axis), Attribute.of("end", axis + 1));
    }

    static String full(Op.Full op, LoweringSite at) {
        String scalar = at.model().scalar(op.dtype(), op.dtype() == DType.BOOL && op.value() != 0 ? 1 : op.value());
        return op.shape().rank() == 0
                ? scalar
                : at.node("Expand", scalar, at.ints(longs(op.shape().toArray())));
    }

    /**
     * Replaces {@code count} axes from {@code axis} on by axes of the given sizes, of which one may be −1.
     * What isn't known beforehand is read from the input when the model runs: a −1 in the target shape would
     * fail on tensors without elements.
     */
    private static String reshape(LoweringSite at, TensorType out, int axis, int count, List<Long> sizes) {
        if (out.isFixed()) {
            return fixed(at, longs(out.shape().toArray()));
        }
        int rank = at.type(0).rank();
        List<String> parts = new ArrayList<>();
        if (axis > 0) {
            parts.add(sizes(at, 0, axis));
        }
        List<Long> known = new ArrayList<>();
        for (int i = 0; i < sizes.size(); i++) {
            Dim dim = out.dim(axis + i);
            if (dim.isFixed() || sizes.get(i) >= 0) {
                known.add(sizes.get(i) >= 0 ? sizes.get(i) : dim.value());
                continue;
            }
            if (!known.isEmpty()) {
                parts.add(at.ints(known));
                known.clear();
            }
            parts.add(rest(at, axis, count, sizes));
        }
        if (!known.isEmpty()) {
            parts.add(at.ints(known));
        }
        if (axis + count < rank) {
            parts.add(sizes(at, axis + count, rank));
        }
        String target = parts.size() == 1 ? parts.get(0) : at.node("Concat", parts, Attribute.of("axis", 0));
        return at.node("Reshape", at.input(0), target, Attribute.of("allowzero", 1));
    }

    /** The size of the axis that was left open: what the replaced axes hold, divided by the known sizes. */
    private static String rest(LoweringSite at, int axis, int count, List<Long> sizes) {
        String whole = sizes(at, axis, axis + count);
        if (count > 1) {
            whole = at.node("ReduceProd", whole, at.ints(0), Attribute.of("keepdims", 1));
        }
        long known = -sizes.stream().reduce(1L, (a, b) -> a * b);
        return known == 1 ? whole : at.node("Div", whole, at.ints(known));
    }

    private static String sizes(LoweringSite at, int from, int to) {
        return at.node("Shape", at.input(0), Attribute.of("start", from), Attribute.of("end", to));
    }

    private static String fixed(LoweringSite at, List<Long> sizes) {
        return at.node("Reshape", at.input(0), at.ints(sizes), Attribute.of("allowzero", 1));
    }

    private static List<Long> longs(long[] sizes) {
        List<Long> list = new ArrayList<>();
        for (long size : sizes) {
            list.add(size);
        }
        return list;
    }
}
