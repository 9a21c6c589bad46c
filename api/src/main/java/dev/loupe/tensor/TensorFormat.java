package dev.loupe.tensor;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.Locale;

/** Writes tensors for people: a header line, then the numbers in nested brackets, long axes shortened. */
final class TensorFormat {

    private static final int EDGE = 3;
    private static final int SUMMARISE_OVER = 100;

    private TensorFormat() {}

    static String format(Tensor tensor) {
        boolean shorten = tensor.elements() > SUMMARISE_OVER;
        boolean[] cut = new boolean[tensor.rank()];
        StringBuilder text =
                new StringBuilder("Tensor ").append(tensor.describe()).append('\n');
        // Only what is shown is fetched: what is left out of an axis is cut out where the tensor lies.
        try (TensorScope scope = TensorScope.open()) {
            Tensor shown = shorten ? tensor.movable() : tensor;
            for (int axis = 0; shorten && axis < cut.length; axis++) {
                long size = shown.size(axis);
                if (size > 2 * EDGE) {
                    cut[axis] = true;
                    shown = Tensor.concat(axis, shown.slice(axis, 0, EDGE), shown.slice(axis, size - EDGE, size));
                }
            }
            append(text, shown.toHost(), 0, 0, cut);
        }
        return text.toString();
    }

    private static void append(StringBuilder text, HostTensor host, int axis, long offset, boolean[] cut) {
        Shape shape = host.shape();
        if (axis == shape.rank()) {
            text.append(number(host, (int) offset));
            return;
        }
        long stride = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            stride *= shape.size(i);
        }
        boolean last = axis == shape.rank() - 1;
        String separator = last ? ", " : ",\n" + " ".repeat(axis + 1);
        text.append('[');
        for (long i = 0; i < shape.size(axis); i++) {
            if (i > 0) {
                text.append(separator);
            }
            if (cut[axis] && i == EDGE) {
                text.append("…").append(separator);
            }
            append(text, host, axis + 1, offset + i * stride, cut);
        }
        text.append(']');
    }

    private static String number(HostTensor host, int index) {
        if (host.dtype() == DType.BOOL) {
            return host.getDouble(index) != 0 ? "true" : "false";
        }
        if (host.dtype().isInteger()) {
            return Long.toString(
                    host.dtype() == DType.INT64 ? host.data().getLong(index * 8) : (long) host.getDouble(index));
        }
        double value = host.getDouble(index);
        double magnitude = Math.abs(value);
        boolean plain = magnitude == 0
                || (magnitude >= 1e-3 && magnitude < 1e5)
                || Double.isNaN(value)
                || Double.isInfinite(value);
        return String.format(Locale.ROOT, plain ? "%.4f" : "%.3e", value);
    }
}
