package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Applications of operations that move elements and compute nothing. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MovementCases {

    /** Operations that move elements, by name. */
    public static final List<String> OPERATIONS = List.of(
            "gather",
            "gather_elements",
            "scatter_elements",
            "slice",
            "unslice",
            "concat",
            "split_like",
            "reshape",
            "reshape_like",
            "split_axis",
            "merge_axes",
            "transpose",
            "expand",
            "broadcast_like",
            "slice_scatter");

    private final Inputs inputs;
    private final SplittableRandom random;
    private final List<OpCase> cases = new ArrayList<>();

    private MovementCases(DType type, SplittableRandom random) {
        this.random = random;
        this.inputs = new Inputs(random, type);
    }

    /** Applications of one of {@link #OPERATIONS}. */
    public static List<OpCase> of(String operation, DType type, SplittableRandom random) {
        MovementCases made = new MovementCases(type, random);
        switch (operation) {
            case "gather" -> made.gather();
            case "gather_elements" -> made.gatherElements();
            case "scatter_elements" -> made.scatterElements();
            case "slice" -> made.slice();
            case "unslice" -> made.unslice();
            case "concat" -> made.concat();
            case "split_like" -> made.splitLike();
            case "reshape_like" -> made.reshapeLike();
            case "broadcast_like" -> made.broadcastLike();
            case "reshape" -> made.reshape();
            case "split_axis" -> made.splitAxis();
            case "merge_axes" -> made.mergeAxes();
            case "transpose" -> made.transpose();
            case "expand" -> made.expand();
            case "slice_scatter" -> made.sliceScatter();
            default -> throw new IllegalArgumentException("No cases for " + operation);
        }
        return made.cases;
    }

    private void add(Op op, HostTensor... operands) {
        cases.add(new OpCase(op, List.of(operands), ""));
    }

    private HostTensor data(long... sizes) {
        return inputs.tensor(Shape.of(sizes), Pattern.WIDE, Domain.ANY);
    }

    private HostTensor indices(long bound, long... sizes) {
        return inputs.indices(Shape.of(sizes), bound);
    }

    private void gather() {
        add(new Op.Gather(0), data(7), indices(7));
        add(new Op.Gather(0), data(207), indices(207, 64));
        add(new Op.Gather(0), data(31, 6), indices(31, 4, 7));
        add(new Op.Gather(1), data(4, 702), indices(702, 31));
        add(new Op.Gather(1), data(2, 7, 6), indices(7));
        add(new Op.Gather(2), data(2, 3, 31), indices(31, 2, 2));
        add(new Op.Gather(1), data(1, 1, 4), indices(1, 6));
    }

    private void gatherElements() {
        add(new Op.GatherElements(0), data(7), indices(7, 31));
        add(new Op.GatherElements(1), data(4, 64), indices(64, 4, 1));
        add(new Op.GatherElements(0), data(31, 6), indices(31, 4, 6));
        add(new Op.GatherElements(2), data(2, 7, 207), indices(207, 2, 7, 3));
        add(new Op.GatherElements(1), data(2, 3, 4, 5), indices(3, 2, 6, 4, 5));
    }

    private void scatterElements() {
        scatter(0, new long[] {7}, 4);
        scatter(0, new long[] {7}, 7);
        scatter(1, new long[] {4, 64}, 6);
        scatter(0, new long[] {31, 6}, 1);
        scatter(1, new long[] {2, 7, 6}, 3);
        scatter(2, new long[] {2, 3, 207}, 31);
        // Indices that stand several times.
        add(new Op.ScatterElements(0), data(3), indices(3, 207), data(207));
        add(new Op.ScatterElements(1), data(4, 6, 5), indices(6, 4, 64, 5), data(4, 64, 5));
    }

    /** Each index once along the axis. */
    private void scatter(int axis, long[] sizes, int count) {
        Shape shape = Shape.of(sizes).with(axis, count);
        int inner = 1;
        for (int i = axis + 1; i < sizes.length; i++) {
            inner *= (int) sizes[i];
        }
        HostTensor indices = HostTensor.allocate(DType.INT64, shape);
        for (int at = 0; at < shape.elements(); at++) {
            int step = at / inner % count;
            int start = at % inner + at / inner / count;
            indices.data().putLong(at * 8, (start + step * stride(sizes[axis])) % sizes[axis]);
        }
        add(new Op.ScatterElements(axis), data(sizes), indices, inputs.tensor(shape, Pattern.NORMAL, Domain.ANY));
    }

    /** Updates that meet at one place add up. */
    static List<OpCase> scatterAdd(DType type, SplittableRandom random) {
        MovementCases made = new MovementCases(type, random);
        made.scatterAdd(0, new long[] {7}, 31);
        made.scatterAdd(1, new long[] {4, 64}, 6);
        made.scatterAdd(0, new long[] {6, 31}, 207);
        made.scatterAdd(1, new long[] {2, 7, 6}, 1);
        made.scatterAdd(2, new long[] {2, 3, 4}, 31);
        return made.cases;
    }

    private void scatterAdd(int axis, long[] sizes, int count) {
        Shape shape = Shape.of(sizes).with(axis, count);
        HostTensor updates = inputs.tensor(shape, Pattern.NORMAL, Domain.ANY);
        HostTensor data = inputs.tensor(Shape.of(sizes), Pattern.NORMAL, Domain.ANY);
        add(new Op.ScatterAdd(axis), data, inputs.indices(shape, sizes[axis]), updates);
    }

    /** A step that visits every index once. */
    private long stride(long size) {
        long stride = 1 + random.nextLong(size);
        while (gcd(stride, size) != 1) {
            stride++;
        }
        return stride;
    }

    private static long gcd(long a, long b) {
        return b == 0 ? a : gcd(b, a % b);
    }

    private static final long[][] BOUNDS = {
        {0, Op.Slice.TO_END, 1},
        {1, Op.Slice.TO_END, 1},
        {0, -1, 1},
        {-3, Op.Slice.TO_END, 1},
        {2, 5, 1},
        {0, Op.Slice.TO_END, 2},
        {1, 6, 3},
        {-100, 100, 1},
        {3, 3, 1},
        {5, 2, 1},
        {-5, -2, 2},
        {100, Op.Slice.TO_END, 1},
        {6, Op.Slice.TO_END, 7},
        {Long.MIN_VALUE, Op.Slice.TO_END, 1},
        {1, -1, Long.MAX_VALUE},
        {-(1L << 40), 1L << 40, 1L << 40},
        {Long.MAX_VALUE, Long.MIN_VALUE, 2}
    };

    private void slice() {
        for (long[] bound : BOUNDS) {
            add(new Op.Slice(0, bound[0], bound[1], bound[2]), data(7));
            add(new Op.Slice(1, bound[0], bound[1], bound[2]), data(4, 31, 2));
        }
    }

    private void unslice() {
        for (long[] bound : BOUNDS) {
            unslice(new Op.Unslice(0, bound[0], bound[1], bound[2]), data(7));
            unslice(new Op.Unslice(1, bound[0], bound[1], bound[2]), data(4, 31, 2));
        }
    }

    private void unslice(Op.Unslice op, HostTensor like) {
        TensorType type = TensorType.of(like.dtype(), like.shape());
        Shape sliced = op.slice().infer(List.of(type)).get(0).shape();
        add(op, data(sliced.toArray()), like);
    }

    private void splitLike() {
        add(new Op.SplitLike(0), data(11), data(7), data(4));
        add(new Op.SplitLike(1), data(4, 38), data(4, 6), data(4, 1), data(4, 31));
        add(new Op.SplitLike(2), data(2, 3, 5, 4), data(2, 3, 1, 4), data(2, 3, 4, 4));
        add(new Op.SplitLike(0), data(7), data(7));
        add(new Op.SplitLike(1), data(2, 7, 3), data(2, 0, 3), data(2, 7, 3));
        add(new Op.SplitLike(1), data(2, 7, 3), indices(4, 2, 3, 3), inputs.bools(Shape.of(2, 4, 3), 0.5));
    }

    private void reshapeLike() {
        add(new Op.ReshapeLike(), data(24), data(4, 6));
        add(new Op.ReshapeLike(), data(2, 3, 4), indices(3, 24));
        add(new Op.ReshapeLike(), data(1, 1), data());
        add(new Op.ReshapeLike(), data(207), data(9, 23));
    }

    private void broadcastLike() {
        add(new Op.BroadcastLike(), data(4, 1), data(4, 31));
        add(new Op.BroadcastLike(), data(), data(2, 7));
        add(new Op.BroadcastLike(), data(6), indices(3, 2, 4, 6));
        add(new Op.BroadcastLike(), data(1, 7, 1), inputs.bools(Shape.of(6, 7, 4), 0.5));
        add(new Op.BroadcastLike(), data(4, 6), data(4, 6));
    }

    private void concat() {
        add(new Op.Concat(0), data(7));
        add(new Op.Concat(0), data(7), data(4));
        add(new Op.Concat(1), data(4, 6), data(4, 1), data(4, 31));
        add(new Op.Concat(0), data(1, 6), data(0, 6), data(64, 6));
        add(new Op.Concat(2), data(2, 3, 1, 5), data(2, 3, 4, 5));
        add(new Op.Concat(1), data(2, 0, 3), data(2, 7, 3));
    }

    private void reshape() {
        add(new Op.Reshape(Shape.of(4, 6)), data(24));
        add(new Op.Reshape(Shape.of(24)), data(2, 3, 4));
        add(new Op.Reshape(Shape.of(1)), data());
        add(new Op.Reshape(Shape.SCALAR), data(1, 1));
        add(new Op.Reshape(Shape.of(6, 1, 117)), data(702));
        add(new Op.Reshape(Shape.of(9, 23)), data(207));
    }

    private void splitAxis() {
        add(new Op.SplitAxis(0, List.of(2L, 3L)), data(6));
        add(new Op.SplitAxis(0, List.of(1L, -1L)), data(7));
        add(new Op.SplitAxis(1, List.of(-1L, 1L)), data(4, 7));
        add(new Op.SplitAxis(2, List.of(6L, -1L)), data(2, 3, 702));
        add(new Op.SplitAxis(1, List.of(4L, 2L, 8L)), data(7, 64));
    }

    private void mergeAxes() {
        add(new Op.MergeAxes(0, 2), data(4, 6));
        add(new Op.MergeAxes(1, 2), data(2, 3, 31));
        add(new Op.MergeAxes(0, 1), data(7));
        add(new Op.MergeAxes(0, 4), data(2, 3, 4, 5));
        add(new Op.MergeAxes(2, 2), data(2, 7, 6, 4));
    }

    private void transpose() {
        add(new Op.Transpose(List.of()), data());
        add(new Op.Transpose(List.of(0)), data(7));
        add(new Op.Transpose(List.of(1, 0)), data(31, 64));
        add(new Op.Transpose(List.of(2, 0, 1)), data(4, 6, 7));
        add(new Op.Transpose(List.of(1, 2, 0)), data(4, 6, 7));
        add(new Op.Transpose(List.of(0, 2, 1, 3)), data(2, 7, 4, 6));
        add(new Op.Transpose(List.of(0, 2, 3, 1)), data(2, 7, 4, 6));
        add(new Op.Transpose(List.of(4, 1, 0, 3, 2)), data(2, 3, 1, 4, 5));
    }

    private void expand() {
        add(new Op.Expand(List.of(7L)), data(1));
        add(new Op.Expand(List.of(-1L, 31L)), data(4, 1));
        add(new Op.Expand(List.of(6L, -1L, 4L)), data(1, 7, 1));
        add(new Op.Expand(List.of(4L, 6L)), data(4, 6));
        add(new Op.Expand(List.of()), data());
    }

    private void sliceScatter() {
        add(new Op.SliceScatter(0, 0), data(7), data(7));
        add(new Op.SliceScatter(0, 3), data(7), data(1));
        add(new Op.SliceScatter(1, 5), data(4, 31), data(4, 6));
        add(new Op.SliceScatter(0, 63), data(64, 2), data(1, 2));
        add(new Op.SliceScatter(2, 0), data(2, 3, 207, 2), data(2, 3, 4, 2));
    }
}
