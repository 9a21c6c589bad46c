package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongBinaryOperator;
import java.util.function.LongUnaryOperator;

/**
 * Ops that make each element of the output out of one element of each input. They work through chunks that
 * fit into the fastest cache: load, compute, store.
 */
final class Elementwise {

    /** Elements that are loaded, computed and stored at a time. */
    private static final int CHUNK = 1024;

    /** Elements that make up a thread's block. */
    private static final int BLOCK = 16 * CHUNK;

    /** The same for float arithmetic, which is over sooner than another thread would wake. */
    private static final int ARITHMETIC_BLOCK = 64 * CHUNK;

    private final Workers workers;

    Elementwise(Workers workers) {
        this.workers = workers;
    }

    HeapTensor unary(Op.UnaryKind kind, HeapTensor x, DType dtype) {
        return x.dtype().isFloating()
                ? mapDoubles(x, Functions.ofDoubles(kind), dtype)
                : mapLongs(x, Functions.ofLongs(kind), dtype);
    }

    HeapTensor activation(Op.ActivationKind kind, HeapTensor x) {
        return mapDoubles(x, Functions.ofDoubles(kind), x.dtype());
    }

    HeapTensor cast(HeapTensor x, DType dtype) {
        if (x.dtype() == dtype) {
            return x.withShape(x.shape());
        }
        return x.dtype().isFloating()
                ? mapDoubles(x, DoubleUnaryOperator.identity(), dtype)
                : mapLongs(x, LongUnaryOperator.identity(), dtype);
    }

    private HeapTensor mapDoubles(HeapTensor x, DoubleUnaryOperator function, DType dtype) {
        HeapTensor out = HeapTensor.zeros(dtype, x.shape());
        workers.forBlocks(out.size(), BLOCK, (from, to) -> {
            double[] values = new double[Math.min(CHUNK, to - from)];
            int count;
            for (int at = from; at < to; at += count) {
                count = Math.min(values.length, to - at);
                x.load(at, 1, values, count);
                for (int i = 0; i < count; i++) {
                    values[i] = function.applyAsDouble(values[i]);
                }
                out.store(values, at, count);
            }
        });
        return out;
    }

    private HeapTensor mapLongs(HeapTensor x, LongUnaryOperator function, DType dtype) {
        HeapTensor out = HeapTensor.zeros(dtype, x.shape());
        workers.forBlocks(out.size(), BLOCK, (from, to) -> {
            long[] values = new long[Math.min(CHUNK, to - from)];
            int count;
            for (int at = from; at < to; at += count) {
                count = Math.min(values.length, to - at);
                x.load(at, 1, values, count);
                for (int i = 0; i < count; i++) {
                    values[i] = function.applyAsLong(values[i]);
                }
                out.store(values, at, count);
            }
        });
        return out;
    }

    HeapTensor binary(Op.BinaryKind kind, HeapTensor a, HeapTensor b, DType dtype, Shape shape) {
        HeapTensor out = HeapTensor.zeros(dtype, shape);
        Walk walk = Walk.broadcast(shape, a.shape(), b.shape());
        if (a.dtype() == DType.FLOAT32 && Loops.isArithmetic(kind)) {
            combineFloats(walk, a, b, Loops.ofFloats(kind), out);
        } else if (a.dtype().isFloating()) {
            combineDoubles(walk, a, b, Loops.ofDoubles(kind), out);
        } else {
            combineLongs(walk, a, b, Functions.ofLongs(kind), out);
        }
        return out;
    }

    private void combineFloats(Walk walk, HeapTensor a, HeapTensor b, Loops.OfFloats loop, HeapTensor out) {
        workers.forBlocks(out.size(), ARITHMETIC_BLOCK, (from, to) -> {
            float[] left = new float[Math.min(CHUNK, to - from)];
            float[] right = new float[left.length];
            walk.forRuns(from, to, left.length, (at, count, starts) -> {
                a.load(starts[0], walk.step(0), left, count);
                b.load(starts[1], walk.step(1), right, count);
                loop.apply(left, right, count);
                System.arraycopy(left, 0, out.floats(), at, count);
            });
        });
    }

    private void combineDoubles(Walk walk, HeapTensor a, HeapTensor b, Loops.OfDoubles loop, HeapTensor out) {
        workers.forBlocks(out.size(), BLOCK, (from, to) -> {
            double[] left = new double[Math.min(CHUNK, to - from)];
            double[] right = new double[left.length];
            walk.forRuns(from, to, left.length, (at, count, starts) -> {
                a.load(starts[0], walk.step(0), left, count);
                b.load(starts[1], walk.step(1), right, count);
                loop.apply(left, right, count);
                out.store(left, at, count);
            });
        });
    }

    private void combineLongs(Walk walk, HeapTensor a, HeapTensor b, LongBinaryOperator function, HeapTensor out) {
        workers.forBlocks(out.size(), BLOCK, (from, to) -> {
            long[] left = new long[Math.min(CHUNK, to - from)];
            long[] right = new long[left.length];
            walk.forRuns(from, to, left.length, (at, count, starts) -> {
                a.load(starts[0], walk.step(0), left, count);
                b.load(starts[1], walk.step(1), right, count);
                for (int i = 0; i < count; i++) {
                    left[i] = function.applyAsLong(left[i], right[i]);
                }
                out.store(left, at, count);
            });
        });
    }

    HeapTensor where(HeapTensor condition, HeapTensor a, HeapTensor b, Shape shape) {
        HeapTensor out = HeapTensor.zeros(a.dtype(), shape);
        Walk walk = Walk.broadcast(shape, condition.shape(), a.shape(), b.shape());
        boolean[] conditions = (boolean[]) condition.array();
        int step = walk.step(0);
        workers.forBlocks(
                out.size(),
                BLOCK,
                (from, to) -> walk.forRuns(from, to, to - from, (at, count, starts) -> {
                    // Stretches of one answer are copied as they are, so the data type doesn't matter.
                    int end;
                    for (int begin = 0; begin < count; begin = end) {
                        boolean holds = conditions[starts[0] + begin * step];
                        end = begin + 1;
                        while (end < count && conditions[starts[0] + end * step] == holds) {
                            end++;
                        }
                        int source = holds ? 1 : 2;
                        int first = starts[source] + begin * walk.step(source);
                        out.copy(holds ? a : b, first, walk.step(source), at + begin, end - begin);
                    }
                }));
        return out;
    }
}
