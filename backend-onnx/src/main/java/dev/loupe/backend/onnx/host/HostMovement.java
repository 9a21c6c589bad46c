package dev.loupe.backend.onnx.host;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import java.util.List;

/** Operations that only move elements. */
final class HostMovement {

    private HostMovement() {}

    static void slice(Op.Slice op, HostTensor in, HostTensor out) {
        long[] strides = Strided.strides(in.shape());
        int first = first(op, in, strides);
        strides[op.axis()] *= op.step();
        read(in, first, strides, out);
    }

    static void unslice(Op.Unslice op, HostTensor update, HostTensor out) {
        EmptyTensors.fill(out, 0);
        long[] strides = Strided.strides(out.shape());
        int first = first(op.slice(), out, strides);
        strides[op.axis()] *= op.step();
        write(update, out, first, strides);
    }

    private static int first(Op.Slice op, HostTensor whole, long[] strides) {
        return (int) (Op.Slice.clip(op.start(), whole.shape().size(op.axis())) * strides[op.axis()]);
    }

    static void broadcast(HostTensor in, HostTensor out) {
        int lead = out.shape().rank() - in.shape().rank();
        long[] own = Strided.strides(in.shape());
        long[] strides = new long[out.shape().rank()];
        for (int i = 0; i < own.length; i++) {
            strides[lead + i] = in.shape().size(i) == out.shape().size(lead + i) ? own[i] : 0;
        }
        read(in, 0, strides, out);
    }

    static void splitLike(Op.SplitLike op, HostTensor in, List<HostTensor> out) {
        long[] strides = Strided.strides(in.shape());
        long start = 0;
        for (HostTensor piece : out) {
            read(in, (int) (start * strides[op.axis()]), strides, piece);
            start += piece.shape().size(op.axis());
        }
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
        write(part, whole, (int) (start * strides[axis]), strides);
    }

    /** Fills a tensor with what lies at the given distances. */
    private static void read(HostTensor from, int first, long[] strides, HostTensor to) {
        Strided.copy(
                from,
                first,
                strides,
                to,
                0,
                Strided.strides(to.shape()),
                to.shape().toArray());
    }

    /** Puts the whole of a tensor at the given distances. */
    private static void write(HostTensor from, HostTensor to, int first, long[] strides) {
        Strided.copy(
                from,
                0,
                Strided.strides(from.shape()),
                to,
                first,
                strides,
                from.shape().toArray());
    }
}
