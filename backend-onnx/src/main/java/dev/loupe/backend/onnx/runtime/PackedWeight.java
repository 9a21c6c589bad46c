package dev.loupe.backend.onnx.runtime;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A matrix as the session of its product holds it, rearranged for speed. Its product with the unit matrix is the matrix
 * itself: each element is one number times 1, and zeros besides, which rounds nothing. (A zero comes back as positive.)
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class PackedWeight implements OnnxHandle.Elsewhere {

    private static final int ROWS = 64;

    private final OnnxRuntime runtime;
    private final OnnxSession session;
    private final Runnable release;
    private final DType dtype;
    private final Shape shape;

    private PackedWeight(OnnxRuntime runtime, OnnxSession session, Runnable release, DType dtype, Shape shape) {
        this.runtime = runtime;
        this.session = session;
        this.release = release;
        this.dtype = dtype;
        this.shape = shape;
    }

    /**
     * The matrix in a session; null if it can't be had back, because not all of its numbers are finite: then the session
     * is released.
     *
     * @param session of {@code x·W}, or {@code x·W + b}
     * @param release gives the session back; called once
     * @param dtype float32 or float64
     * @param shape of the matrix {@code [in, out]}
     */
    public static @Nullable PackedWeight of(
            OnnxRuntime runtime, OnnxSession session, Runnable release, DType dtype, Shape shape) {
        PackedWeight packed = new PackedWeight(runtime, session, release, dtype, shape);
        boolean finite = false;
        try {
            finite = packed.isFinite();
            return finite ? packed : null;
        } finally {
            if (!finite) {
                release.run();
            }
        }
    }

    // What isn't finite shows in the sum of its column.
    private boolean isFinite() {
        HostTensor ones = direct(Shape.of(1, shape.size(0)));
        for (long i = 0; i < ones.shape().elements(); i++) {
            ones.setDouble(i, 1);
        }
        HostTensor sums = direct(Shape.of(1, shape.size(1)));
        multiply(ones, sums.shape(), sums.data());
        for (long i = 0; i < sums.shape().elements(); i++) {
            if (!Double.isFinite(sums.getDouble(i))) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void read(HostTensor into) {
        long in = shape.size(0);
        int row = Math.toIntExact(shape.size(1) * dtype.bytes());
        HostTensor unit = direct(Shape.of(Math.min(ROWS, in), in));
        for (long first = 0; first < in; first += ROWS) {
            long count = Math.min(ROWS, in - first);
            for (long i = 0; i < count; i++) {
                unit.setDouble(i * in + first + i, 1);
            }
            ByteBuffer rows = into.data()
                    .slice(Math.toIntExact(first * row), Math.toIntExact(count * row))
                    .order(ByteOrder.nativeOrder());
            HostTensor some = new HostTensor(dtype, Shape.of(count, in), unit.data());
            multiply(some, Shape.of(count, shape.size(1)), rows);
            for (long i = 0; i < count; i++) {
                unit.setDouble(i * in + first + i, 0);
            }
        }
    }

    private HostTensor direct(Shape sizes) {
        return HostTensor.allocate(dtype, sizes);
    }

    private void multiply(HostTensor x, Shape product, ByteBuffer into) {
        List<OnnxHandle> inputs = new ArrayList<>(List.of(OnnxHandle.of(runtime, x)));
        if (session.inputs().size() == 2) {
            inputs.add(OnnxHandle.of(runtime, direct(Shape.of(product.size(1)))));
        }
        try (OnnxHandle result = OnnxHandle.over(runtime, dtype, product, into)) {
            session.run(inputs, Map.of(session.outputs().get(0), result));
        } finally {
            inputs.forEach(OnnxHandle::close);
        }
    }

    @Override
    public void close() {
        release.run();
    }
}
