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

    static String reshape(Op.Reshape op, Site at) {
        return fixed(at, longs(op.shape().toArray()));
    }

    static String splitAxis(Op.SplitAxis op, Site at) {
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

    static String mergeAxes(Op.MergeAxes op, Site at) {
        if (op.count() == 1) {
            return at.input(0);
        }
        return reshape(at, at.out().get(0), op.axis(), op.count(), List.of(-1L));
    }

    static String full(Op.Full op, Site at) {
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
    private static String reshape(Site at, TensorType out, int axis, int count, List<Long> sizes) {
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
    private static String rest(Site at, int axis, int count, List<Long> sizes) {
        String whole = sizes(at, axis, axis + count);
        if (count > 1) {
            whole = at.node("ReduceProd", whole, at.ints(0), Attribute.of("keepdims", 1));
        }
        long known = -sizes.stream().reduce(1L, (a, b) -> a * b);
        return known == 1 ? whole : at.node("Div", whole, at.ints(known));
    }

    private static String sizes(Site at, int from, int to) {
        return at.node("Shape", at.input(0), Attribute.of("start", from), Attribute.of("end", to));
    }

    private static String fixed(Site at, List<Long> sizes) {
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
