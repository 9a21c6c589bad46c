package dev.loupe.backend.onnx.host;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import java.util.Arrays;
import java.util.List;

/** Operations that only move elements. */
final class HostMovement {

    private HostMovement() {}

    static void slice(Op.Slice op, HostTensor in, HostTensor out) {
        long size = in.shape().size(op.axis());
        long start = Math.max(0, Math.min(size, op.start() < 0 ? op.start() + size : op.start()));
        long[] strides = Strided.strides(in.shape());
        int first = (int) (start * strides[op.axis()]);
        strides[op.axis()] *= op.step();
        Strided.copy(
                in,
                first,
                strides,
                out,
                0,
                Strided.strides(out.shape()),
                out.shape().toArray());
    }

    static void expand(HostTensor in, HostTensor out) {
        long[] strides = Strided.strides(in.shape());
        for (int i = 0; i < strides.length; i++) {
            strides[i] = in.shape().size(i) == out.shape().size(i) ? strides[i] : 0;
        }
        Strided.copy(
                in,
                0,
                strides,
                out,
                0,
                Strided.strides(out.shape()),
                out.shape().toArray());
    }

    static void broadcast(HostTensor in, HostTensor out) {
        int lead = out.shape().rank() - in.shape().rank();
        long[] own = Strided.strides(in.shape());
        long[] strides = new long[out.shape().rank()];
        for (int i = 0; i < own.length; i++) {
            strides[lead + i] = in.shape().size(i) == out.shape().size(lead + i) ? own[i] : 0;
        }
        Strided.copy(
                in,
                0,
                strides,
                out,
                0,
                Strided.strides(out.shape()),
                out.shape().toArray());
    }

    static void splitLike(Op.SplitLike op, HostTensor in, List<HostTensor> out) {
        long[] strides = Strided.strides(in.shape());
        long start = 0;
        for (HostTensor piece : out) {
            Strided.copy(
                    in,
                    (int) (start * strides[op.axis()]),
                    strides,
                    piece,
                    0,
                    Strided.strides(piece.shape()),
                    piece.shape().toArray());
            start += piece.shape().size(op.axis());
        }
    }

    static void unslice(Op.Unslice op, HostTensor update, HostTensor out) {
        EmptyTensors.fill(out, 0);
        long[] strides = Strided.strides(out.shape());
        long start = Op.Slice.clip(op.start(), out.shape().size(op.axis()));
        int first = (int) (start * strides[op.axis()]);
        strides[op.axis()] *= op.step();
        Strided.copy(
                update,
                0,
                Strided.strides(update.shape()),
                out,
                first,
                strides,
                update.shape().toArray());
    }

    static void concat(Op.Concat op, List<HostTensor> in, HostTensor out) {
        long start = 0;
        for (HostTensor part : in) {
            place(part, out, op.axis(), start);
            start += part.shape().size(op.axis());
        }
    }

    static void sliceScatter(Op.SliceScatter op, HostTensor data, HostTensor update, HostTensor out) {
        out.data().put(0, data.data(), 0, out.data().capacity());
        place(update, out, op.axis(), op.start());
    }

    private static void place(HostTensor part, HostTensor whole, int axis, long start) {
        long[] strides = Strided.strides(whole.shape());
        int first = (int) (start * strides[axis]);
        long[] sizes = part.shape().toArray();
        Strided.copy(part, 0, Strided.strides(part.shape()), whole, first, strides, Arrays.copyOf(sizes, sizes.length));
    }
}
