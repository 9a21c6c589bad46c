package dev.loupe.graph;

import dev.loupe.array.DType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;

/** The type rule of each op. Every message names the op, what it was given and what it needs. */
final class TypeRules {

    private static final long LONGEST = 1L << 60;

    private TypeRules() {}

    static String lower(Enum<?> kind) {
        return kind.name().toLowerCase(Locale.ROOT);
    }

    static void count(Op op, List<TensorType> inputs, int expected) {
        if (inputs.size() != expected) {
            throw bad(op, inputs, "needs " + expected + (expected == 1 ? " input" : " inputs"));
        }
    }

    static TensorType one(Op op, List<TensorType> inputs) {
        count(op, inputs, 1);
        return inputs.get(0);
    }

    static TensorType floating(Op op, TensorType type) {
        if (!type.dtype().isFloating()) {
            throw bad(op, List.of(type), "needs a floating-point type; cast first");
        }
        return type;
    }

    private static TensorType number(Op op, TensorType type) {
        if (type.dtype() == DType.BOOL) {
            throw bad(op, List.of(type), "needs numbers; cast the bool first");
        }
        return type;
    }

    private static void same(Op op, List<TensorType> inputs) {
        for (TensorType type : inputs) {
            if (type.dtype() != inputs.get(0).dtype()) {
                throw bad(op, inputs, "needs inputs of one data type; cast one of them");
            }
        }
    }

    private static void index(Op op, List<TensorType> inputs, TensorType indices) {
        if (indices.dtype() != DType.INT64) {
            throw bad(op, inputs, "needs int64 indices");
        }
    }

    private static void axis(Op op, List<TensorType> inputs, int axis, int rank) {
        if (axis < 0 || axis >= rank) {
            throw bad(op, inputs, "has no axis " + axis);
        }
    }

    static IllegalArgumentException bad(Op op, List<TensorType> inputs, String need) {
        return new IllegalArgumentException(op + " of " + inputs + ": " + need);
    }

    static List<TensorType> unary(Op.Unary op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        switch (op.kind()) {
            case NOT -> {
                if (x.dtype() != DType.BOOL) {
                    throw bad(op, inputs, "needs bool");
                }
            }
            case NEG, ABS, SIGN, RELU -> number(op, x);
            case IS_NAN -> {
                return List.of(floating(op, x).withDType(DType.BOOL));
            }
            default -> floating(op, x);
        }
        return List.of(x);
    }

    static List<TensorType> binary(Op.Binary op, List<TensorType> inputs) {
        count(op, inputs, 2);
        same(op, inputs);
        TensorType left = inputs.get(0);
        DType out = left.dtype();
        switch (op.kind()) {
            case AND, OR -> {
                if (out != DType.BOOL) {
                    throw bad(op, inputs, "needs bools");
                }
            }
            case EQ, NE -> out = DType.BOOL;
            case LT, LE, GT, GE -> {
                number(op, left);
                out = DType.BOOL;
            }
            case DIV, POW -> floating(op, left);
            default -> number(op, left);
        }
        TensorType right = inputs.get(1);
        return List.of(
                left.hasSizesOf(right)
                        ? left.withDType(out)
                        : TensorType.of(out, broadcast(op, inputs, left.dims(), right.dims())));
    }

    static List<TensorType> where(Op op, List<TensorType> inputs) {
        count(op, inputs, 3);
        if (inputs.get(0).dtype() != DType.BOOL) {
            throw bad(op, inputs, "needs a bool condition");
        }
        TensorType a = inputs.get(1);
        TensorType b = inputs.get(2);
        same(op, inputs.subList(1, 3));
        Dim[] values = broadcast(op, inputs, a.dims(), b.dims());
        return List.of(
                TensorType.of(a.dtype(), broadcast(op, inputs, inputs.get(0).dims(), values)));
    }

    private static Dim[] broadcast(Op op, List<TensorType> inputs, Dim[] a, Dim[] b) {
        Dim[] out = new Dim[Math.max(a.length, b.length)];
        for (int i = 1; i <= out.length; i++) {
            Dim x = i <= a.length ? a[a.length - i] : Dim.of(1);
            Dim y = i <= b.length ? b[b.length - i] : Dim.of(1);
            if (!x.equals(y) && !x.is(1) && !y.is(1)) {
                throw bad(op, inputs, "the shapes don't broadcast: " + x + " against " + y + " at axis -" + i);
            }
            out[out.length - i] = x.is(1) ? y : x;
        }
        return out;
    }

    static List<TensorType> matmul(Op op, List<TensorType> inputs) {
        count(op, inputs, 2);
        same(op, inputs);
        TensorType a = floating(op, inputs.get(0));
        TensorType b = inputs.get(1);
        if (a.rank() < 2 || b.rank() < 2) {
            throw bad(op, inputs, "needs two matrices or stacks of them (rank 2 or more)");
        }
        if (!a.dim(-1).equals(b.dim(-2))) {
            throw bad(op, inputs, "the inner sizes differ: " + a.dim(-1) + " and " + b.dim(-2));
        }
        Dim[] lead = broadcast(op, inputs, drop(a.dims(), 2), drop(b.dims(), 2));
        Dim[] out = java.util.Arrays.copyOf(lead, lead.length + 2);
        out[lead.length] = a.dim(-2);
        out[lead.length + 1] = b.dim(-1);
        return List.of(TensorType.of(a.dtype(), out));
    }

    private static Dim[] drop(Dim[] dims, int last) {
        return java.util.Arrays.copyOf(dims, dims.length - last);
    }

    static List<TensorType> reduce(Op.Reduce op, List<TensorType> inputs) {
        TensorType x = number(op, one(op, inputs));
        if (op.kind() == Op.ReduceKind.MEAN) {
            floating(op, x);
        }
        if (op.axes().isEmpty() || new HashSet<>(op.axes()).size() != op.axes().size()) {
            throw bad(op, inputs, "needs at least one axis and none twice");
        }
        for (int axis : op.axes()) {
            axis(op, inputs, axis, x.rank());
            boolean needsOne = op.kind() == Op.ReduceKind.MAX || op.kind() == Op.ReduceKind.MIN;
            if (needsOne && x.dim(axis).is(0)) {
                throw bad(op, inputs, "an empty axis has no largest or smallest element");
            }
        }
        List<Dim> out = new ArrayList<>();
        for (int i = 0; i < x.rank(); i++) {
            if (!op.axes().contains(i)) {
                out.add(x.dim(i));
            } else if (op.keepDims()) {
                out.add(Dim.of(1));
            }
        }
        return List.of(TensorType.of(x.dtype(), out.toArray(new Dim[0])));
    }

    static List<TensorType> argReduce(Op.ArgReduce op, List<TensorType> inputs) {
        TensorType x = number(op, one(op, inputs));
        axis(op, inputs, op.axis(), x.rank());
        if (x.dim(op.axis()).is(0)) {
            throw bad(op, inputs, "an empty axis has no largest or smallest element");
        }
        List<Dim> out = new ArrayList<>(List.of(x.dims()));
        if (op.keepDims()) {
            out.set(op.axis(), Dim.of(1));
        } else {
            out.remove(op.axis());
        }
        return List.of(TensorType.of(DType.INT64, out.toArray(new Dim[0])));
    }

    static List<TensorType> topK(Op.TopK op, List<TensorType> inputs) {
        TensorType x = number(op, one(op, inputs));
        axis(op, inputs, op.axis(), x.rank());
        Dim size = x.dim(op.axis());
        if (op.k() < 0 || (size.isFixed() && op.k() > size.value())) {
            throw bad(op, inputs, "k must lie between 0 and the axis' size " + size);
        }
        Dim[] out = x.dims();
        out[op.axis()] = Dim.of(op.k());
        return List.of(TensorType.of(x.dtype(), out), TensorType.of(DType.INT64, out));
    }

    static List<TensorType> cumSum(Op.CumSum op, List<TensorType> inputs) {
        TensorType x = number(op, one(op, inputs));
        axis(op, inputs, op.axis(), x.rank());
        return List.of(x);
    }

    static List<TensorType> gather(Op.Gather op, List<TensorType> inputs) {
        count(op, inputs, 2);
        TensorType data = inputs.get(0);
        TensorType indices = inputs.get(1);
        axis(op, inputs, op.axis(), data.rank());
        index(op, inputs, indices);
        List<Dim> out = new ArrayList<>(List.of(data.dims()));
        out.remove(op.axis());
        out.addAll(op.axis(), List.of(indices.dims()));
        return List.of(TensorType.of(data.dtype(), out.toArray(new Dim[0])));
    }

    static List<TensorType> gatherElements(Op.GatherElements op, List<TensorType> inputs) {
        count(op, inputs, 2);
        elements(op, inputs, op.axis());
        return List.of(inputs.get(1).withDType(inputs.get(0).dtype()));
    }

    static List<TensorType> scatterElements(Op.ScatterElements op, List<TensorType> inputs) {
        count(op, inputs, 3);
        elements(op, inputs, op.axis());
        if (!inputs.get(2).equals(inputs.get(1).withDType(inputs.get(0).dtype()))) {
            throw bad(op, inputs, "needs updates of the data's type and the indices' shape");
        }
        return List.of(inputs.get(0));
    }

    static List<TensorType> scatterAdd(Op.ScatterAdd op, List<TensorType> inputs) {
        count(op, inputs, 3);
        elements(op, inputs, op.axis());
        number(op, inputs.get(0));
        if (!inputs.get(2).equals(inputs.get(1).withDType(inputs.get(0).dtype()))) {
            throw bad(op, inputs, "needs updates of the data's type and the indices' shape");
        }
        return List.of(inputs.get(0));
    }

    private static void elements(Op op, List<TensorType> inputs, int axis) {
        TensorType data = inputs.get(0);
        TensorType indices = inputs.get(1);
        axis(op, inputs, axis, data.rank());
        index(op, inputs, indices);
        boolean fits = data.rank() == indices.rank();
        for (int i = 0; fits && i < data.rank(); i++) {
            fits = i == axis || data.dim(i).equals(indices.dim(i));
        }
        if (!fits) {
            throw bad(op, inputs, "data and indices must agree in every axis but " + axis);
        }
    }

    static List<TensorType> slice(Op.Slice op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        axis(op, inputs, op.axis(), x.rank());
        if (op.step() < 1) {
            throw bad(op, inputs, "needs a positive step");
        }
        Dim[] out = x.dims();
        out[op.axis()] = sliced(op, inputs, out[op.axis()]);
        return List.of(TensorType.of(x.dtype(), out));
    }

    static List<TensorType> unslice(Op.Unslice op, List<TensorType> inputs) {
        count(op, inputs, 2);
        TensorType update = inputs.get(0);
        TensorType like = inputs.get(1).withDType(update.dtype());
        if (!slice(op.slice(), List.of(like)).get(0).equals(update)) {
            throw bad(op, inputs, "needs an update of the sizes that the slice has");
        }
        return List.of(like);
    }

    private static Dim sliced(Op.Slice op, List<TensorType> inputs, Dim size) {
        if (size.isFixed()) {
            long start = Op.Slice.clip(op.start(), size.value());
            long end = Op.Slice.clip(op.end(), size.value());
            return Dim.of(end <= start ? 0 : (end - start - 1) / op.step() + 1);
        }
        boolean toEnd = op.end() == Op.Slice.TO_END;
        if (!isWithinReason(op.start()) || (!toEnd && !isWithinReason(op.end()))) {
            throw bad(op, inputs, "no axis is so long that it could be cut there");
        }
        if (op.step() == 1 && op.start() >= 0 && toEnd) {
            return size.plus(Dim.of(-op.start()));
        }
        if (op.step() == 1 && op.start() == 0 && op.end() < 0) {
            return size.plus(Dim.of(op.end()));
        }
        if (op.step() == 1 && op.start() < 0 && (toEnd || (op.end() < 0 && op.end() >= op.start()))) {
            return Dim.of((toEnd ? 0 : op.end()) - op.start());
        }
        if (op.step() == 1 && op.start() >= 0 && op.end() >= op.start()) {
            return Dim.of(op.end() - op.start());
        }
        throw bad(op, inputs, "the length of this slice of a symbolic axis can't be told before the run");
    }

    private static boolean isWithinReason(long bound) {
        return bound > -LONGEST && bound < LONGEST;
    }

    static List<TensorType> concat(Op.Concat op, List<TensorType> inputs) {
        if (inputs.isEmpty()) {
            throw bad(op, inputs, "needs at least one input");
        }
        same(op, inputs);
        TensorType first = inputs.get(0);
        axis(op, inputs, op.axis(), first.rank());
        Dim[] out = first.dims();
        for (TensorType next : inputs.subList(1, inputs.size())) {
            boolean fits = next.rank() == first.rank();
            for (int i = 0; fits && i < out.length; i++) {
                fits = i == op.axis() || next.dim(i).equals(first.dim(i));
            }
            if (!fits) {
                throw bad(op, inputs, "inputs must agree in every axis but " + op.axis());
            }
            out[op.axis()] = out[op.axis()].plus(next.dim(op.axis()));
        }
        return List.of(TensorType.of(first.dtype(), out));
    }

    static List<TensorType> splitLike(Op.SplitLike op, List<TensorType> inputs) {
        if (inputs.size() < 2) {
            throw bad(op, inputs, "needs a tensor to divide and at least one that tells a size");
        }
        TensorType x = inputs.get(0);
        List<TensorType> parts = inputs.subList(1, inputs.size()).stream()
                .map(part -> part.withDType(x.dtype()))
                .toList();
        if (!concat(new Op.Concat(op.axis()), parts).get(0).equals(x)) {
            throw bad(op, inputs, "the parts don't make up the whole along axis " + op.axis());
        }
        return parts;
    }

    static List<TensorType> reshape(Op.Reshape op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        if (x.isFixed() && x.shape().elements() != op.shape().elements()) {
            throw bad(
                    op,
                    inputs,
                    "has " + x.shape().elements() + " elements, not "
                            + op.shape().elements());
        }
        return List.of(TensorType.of(x.dtype(), op.shape()));
    }

    static List<TensorType> reshapeLike(Op op, List<TensorType> inputs) {
        count(op, inputs, 2);
        TensorType x = inputs.get(0);
        TensorType like = inputs.get(1);
        if (x.isFixed()
                && like.isFixed()
                && x.shape().elements() != like.shape().elements()) {
            throw bad(
                    op,
                    inputs,
                    "has " + x.shape().elements() + " elements, not "
                            + like.shape().elements());
        }
        return List.of(like.withDType(x.dtype()));
    }

    static List<TensorType> broadcastLike(Op op, List<TensorType> inputs) {
        count(op, inputs, 2);
        TensorType like = inputs.get(1);
        Dim[] both = broadcast(op, inputs, inputs.get(0).dims(), like.dims());
        if (!java.util.Arrays.equals(both, like.dims())) {
            throw bad(op, inputs, "the first can't be repeated to the sizes of the second");
        }
        return List.of(like.withDType(inputs.get(0).dtype()));
    }

    static List<TensorType> splitAxis(Op.SplitAxis op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        axis(op, inputs, op.axis(), x.rank());
        Dim size = x.dim(op.axis());
        long known = 1;
        int open = -1;
        for (int i = 0; i < op.sizes().size(); i++) {
            long part = op.sizes().get(i);
            if (part == -1 && open < 0) {
                open = i;
            } else if (part < 0) {
                throw bad(op, inputs, "sizes are not negative, but one may be -1");
            } else if (Math.multiplyHigh(known, part) != 0 || known * part < 0) {
                throw bad(op, inputs, "size " + size + " can't be split so");
            } else {
                known *= part;
            }
        }
        List<Dim> parts = new ArrayList<>();
        op.sizes().forEach(part -> parts.add(Dim.of(Math.max(part, 0))));
        if (open >= 0) {
            boolean divides = size.isFixed() ? known != 0 && size.value() % known == 0 : known == 1;
            if (!divides) {
                throw bad(op, inputs, "size " + size + " can't be split so");
            }
            parts.set(open, size.isFixed() ? Dim.of(size.value() / known) : size);
        } else if (!size.is(known)) {
            throw bad(op, inputs, "size " + size + " can't be split so");
        }
        List<Dim> out = new ArrayList<>(List.of(x.dims()));
        out.remove(op.axis());
        out.addAll(op.axis(), parts);
        return List.of(TensorType.of(x.dtype(), out.toArray(new Dim[0])));
    }

    static List<TensorType> mergeAxes(Op.MergeAxes op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        axis(op, inputs, op.axis(), x.rank());
        if (op.count() < 1 || op.axis() + op.count() > x.rank()) {
            throw bad(op, inputs, "has no " + op.count() + " axes from " + op.axis() + " on");
        }
        List<Dim> out = new ArrayList<>();
        Dim merged = Dim.of(1);
        for (int i = 0; i < x.rank(); i++) {
            if (i < op.axis() || i >= op.axis() + op.count()) {
                out.add(x.dim(i));
            } else {
                merged = merged.times(x.dim(i));
                if (i == op.axis() + op.count() - 1) {
                    out.add(merged);
                }
            }
        }
        return List.of(TensorType.of(x.dtype(), out.toArray(new Dim[0])));
    }

    static List<TensorType> transpose(Op.Transpose op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        Dim[] out = new Dim[x.rank()];
        boolean[] seen = new boolean[x.rank()];
        boolean fits = op.permutation().size() == x.rank();
        for (int i = 0; fits && i < out.length; i++) {
            int from = op.permutation().get(i);
            fits = from >= 0 && from < out.length && !seen[from];
            if (fits) {
                seen[from] = true;
                out[i] = x.dim(from);
            }
        }
        if (!fits) {
            throw bad(op, inputs, "needs each axis once");
        }
        return List.of(TensorType.of(x.dtype(), out));
    }

    static List<TensorType> expand(Op.Expand op, List<TensorType> inputs) {
        TensorType x = one(op, inputs);
        if (op.sizes().size() != x.rank()) {
            throw bad(op, inputs, "needs one size for each of the " + x.rank() + " axes");
        }
        Dim[] out = x.dims();
        for (int i = 0; i < out.length; i++) {
            long size = op.sizes().get(i);
            if (size != -1 && !out[i].is(size)) {
                if (!out[i].is(1) || size < 0) {
                    throw bad(op, inputs, "only an axis of size 1 can be repeated, axis " + i + " is " + out[i]);
                }
                out[i] = Dim.of(size);
            }
        }
        return List.of(TensorType.of(x.dtype(), out));
    }

    static List<TensorType> floatingAlong(Op op, List<TensorType> inputs, int axis) {
        TensorType x = floating(op, one(op, inputs));
        axis(op, inputs, axis, x.rank());
        return List.of(x);
    }

    static List<TensorType> alike(Op op, List<TensorType> inputs) {
        count(op, inputs, 2);
        same(op, inputs);
        if (!floating(op, inputs.get(0)).hasSizesOf(inputs.get(1))) {
            throw bad(op, inputs, "needs two inputs of the same sizes");
        }
        return List.of(inputs.get(0));
    }

    static List<TensorType> alikeAlong(Op op, List<TensorType> inputs, int axis) {
        List<TensorType> out = alike(op, inputs);
        axis(op, inputs, axis, out.get(0).rank());
        return out;
    }

    static List<TensorType> linear(Op op, List<TensorType> inputs) {
        count(op, inputs, 3);
        same(op, inputs);
        TensorType x = floating(op, inputs.get(0));
        TensorType weight = inputs.get(1);
        TensorType bias = inputs.get(2);
        boolean fits = x.rank() >= 1
                && weight.rank() == 2
                && bias.rank() == 1
                && x.dim(-1).equals(weight.dim(0))
                && weight.dim(1).equals(bias.dim(0));
        if (!fits) {
            throw bad(op, inputs, "needs x [..., in], weight [in, out], bias [out]");
        }
        Dim[] out = x.dims();
        out[out.length - 1] = bias.dim(0);
        return List.of(TensorType.of(x.dtype(), out));
    }

    static List<TensorType> norm(Op op, List<TensorType> inputs, int most) {
        if (inputs.size() != 1 && inputs.size() != most) {
            throw bad(op, inputs, "needs 1 or " + most + " inputs");
        }
        same(op, inputs);
        TensorType x = floating(op, inputs.get(0));
        boolean fits = x.rank() >= 1;
        for (TensorType parameter : inputs.subList(1, inputs.size())) {
            fits = fits && parameter.rank() == 1 && parameter.dim(0).equals(x.dim(-1));
        }
        if (!fits) {
            throw bad(op, inputs, "needs parameters of the last axis' size");
        }
        return List.of(x);
    }

    static List<TensorType> rotate(Op op, List<TensorType> inputs) {
        count(op, inputs, 3);
        same(op, inputs);
        TensorType x = floating(op, inputs.get(0));
        TensorType cos = inputs.get(1);
        boolean fits = x.rank() == 4
                && cos.rank() == 3
                && cos.equals(inputs.get(2))
                && cos.dim(0).equals(x.dim(0))
                && cos.dim(1).equals(x.dim(1))
                && x.dim(3).isFixed()
                && cos.dim(2).isFixed()
                && 2 * cos.dim(2).value() <= x.dim(3).value();
        if (!fits) {
            throw bad(op, inputs, "needs x [b, p, h, d] and cos, sin [b, p, r] with 2r <= d");
        }
        return List.of(x);
    }

    static List<TensorType> attention(Op op, List<TensorType> inputs) {
        count(op, inputs, 4);
        same(op, inputs.subList(0, 3));
        TensorType q = floating(op, inputs.get(0));
        TensorType k = inputs.get(1);
        TensorType v = inputs.get(2);
        TensorType mask = inputs.get(3);
        boolean fits = q.rank() == 4
                && k.rank() == 4
                && v.rank() == 4
                && mask.rank() == 4
                && mask.dtype() == DType.BOOL
                && k.dim(0).equals(q.dim(0))
                && k.dim(3).equals(q.dim(3))
                && java.util.Arrays.equals(drop(k.dims(), 1), drop(v.dims(), 1))
                && q.dim(2).isFixed()
                && k.dim(2).isFixed()
                && k.dim(2).value() > 0
                && q.dim(2).value() % k.dim(2).value() == 0
                && java.util.Arrays.equals(mask.dims(), new Dim[] {q.dim(0), Dim.of(1), q.dim(1), k.dim(1)});
        if (!fits) {
            throw bad(
                    op,
                    inputs,
                    "needs q [b, p, h, d], k [b, t, kv, d], v [b, t, kv, e], mask bool [b, 1, p, t]"
                            + " and h a multiple of kv");
        }
        Dim[] out = q.dims();
        out[3] = v.dim(3);
        return List.of(TensorType.of(q.dtype(), out));
    }

    static List<TensorType> sliceScatter(Op.SliceScatter op, List<TensorType> inputs) {
        count(op, inputs, 2);
        same(op, inputs);
        TensorType data = inputs.get(0);
        TensorType update = inputs.get(1);
        axis(op, inputs, op.axis(), data.rank());
        boolean fits = data.rank() == update.rank() && op.start() >= 0;
        for (int i = 0; fits && i < data.rank(); i++) {
            Dim size = data.dim(i);
            Dim part = update.dim(i);
            fits = i == op.axis()
                    ? !size.isFixed() || (part.isFixed() && op.start() <= size.value() - part.value())
                    : size.equals(part);
        }
        if (!fits) {
            throw bad(op, inputs, "the update must lie within the data and agree with it in the other axes");
        }
        return List.of(data);
    }
}
