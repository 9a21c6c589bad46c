package dev.loupe.architectures.checkpoint;

import dev.loupe.architecture.WeightMapping.Layout;
import dev.loupe.architecture.WeightMapping.Rule;
import dev.loupe.architectures.processing.RawWeights;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads tensors of a checkpoint as weights of the graph: arranged by their rules' layouts, in one data type.
 * Besides the weights that are being read nothing is held but one buffer of the size of the largest tensor that
 * is not stored as the graph wants it, and the memory of weights that were {@linkplain #recycle given back}. Used by one
 * thread.
 */
final class WeightReader implements RawWeights {

    /** Rows that are transposed at a time: enough for whole cache lines on both sides. */
    private static final int BAND = 64;

    /** Fewer elements side by side are cheaper to pick from the whole tensor. */
    private static final int SHORTEST_RUN = 32;

    /** Where a weight comes from and the shape it has here. */
    private record Entry(Rule rule, Shape shape) {}

    private final CheckpointTensors tensors;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final DType dtype;
    private final Handover handover;
    private final int mostBytes;
    private final Map<Long, Deque<ByteBuffer>> idle = new HashMap<>();
    private final TransposedBand turning;
    private ByteBuffer scratch = ByteBuffer.allocateDirect(0);

    /**
     * A reader.
     *
     * @param rules where the weights come from; checked against the tensors
     * @param wanted shape of each weight where it is less than what is stored: the first rows are taken
     * @param dtype the type to which everything is converted
     * @param handover told of every weight before there is memory for it
     * @param mostBytes the most that one buffer of a weight may hold; at least a row
     */
    WeightReader(
            CheckpointTensors tensors,
            List<Rule> rules,
            Map<String, Shape> wanted,
            DType dtype,
            Handover handover,
            int mostBytes) {
        this.handover = handover;
        this.mostBytes = mostBytes;
        this.tensors = tensors;
        this.dtype = dtype;
        this.turning = TransposedBand.of(dtype.bytes());
        for (Rule rule : rules) {
            Shape stored = Shape.of(rule.layout().shape(sizes(rule)));
            Shape shape = wanted.getOrDefault(rule.weight(), stored);
            if (!stored.with(0, shape.size(0)).equals(shape) || shape.size(0) > stored.size(0)) {
                throw new IllegalArgumentException("Weight '" + rule.weight() + "' of " + tensors.source()
                        + " can't be cut from " + stored + " to " + shape + ": only whole rows can be left out");
            }
            entries.put(rule.weight(), new Entry(rule, shape));
        }
    }

    static long[] sizes(Rule rule) {
        return rule.sourceShape().stream().mapToLong(Long::longValue).toArray();
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(entries.keySet());
    }

    @Override
    public Shape shape(String weight) {
        return entry(weight).shape();
    }

    @Override
    public HostTensor read(String weight) {
        Rule rule = entry(weight).rule();
        String source = MappingCheck.source(tensors, rule)
                .orElseThrow(() -> new IllegalArgumentException(tensors.source() + " has none of " + rule.sources()));
        SafetensorsFile file = tensors.holder(source);
        handover.expect(shape(weight).elements() * dtype.bytes());
        HostTensor result = allocate(dtype, shape(weight));
        long[] stored = sizes(rule);
        if (rule.layout() == Layout.AS_IS) {
            file.copy(source, 0, result.shape().elements(), result, 0);
        } else if (rule.layout() == Layout.TRANSPOSED) {
            transpose(file, source, stored, result);
        } else {
            gather(file, source, stored, rule.layout(), result);
        }
        if (!rule.isPlain()) {
            scale(rule, result);
        }
        return result;
    }

    /** Memory for a weight, with anything in it: used before, if there is such. */
    HostTensor allocate(DType type, Shape shape) {
        Deque<ByteBuffer> sameSize = idle.get(shape.elements() * type.bytes());
        ByteBuffer buffer = sameSize == null ? null : sameSize.poll();
        return buffer == null ? HostTensor.allocate(type, shape, mostBytes) : new HostTensor(type, shape, buffer);
    }

    /** Takes the memory of a weight back, which nobody reads any more, for others of the same size. */
    void recycle(HostTensor weight) {
        if (weight.parts().size() == 1) {
            idle.computeIfAbsent(weight.bytes(), size -> new ArrayDeque<>())
                    .push(weight.parts().get(0));
        }
    }

    private static void scale(Rule rule, HostTensor result) {
        for (long i = 0; i < result.shape().elements(); i++) {
            result.setDouble(i, result.getDouble(i) * rule.factor() + rule.summand());
        }
    }

    private Entry entry(String weight) {
        Entry entry = entries.get(weight);
        if (entry == null) {
            throw new IllegalArgumentException(
                    "There is no weight '" + weight + "' in " + tensors.source() + "; there are " + entries.keySet());
        }
        return entry;
    }

    /** Band by band: stored rows become columns of the result. */
    private void transpose(SafetensorsFile file, String source, long[] stored, HostTensor result) {
        int rows = Math.toIntExact(stored[0]);
        int columns = Math.toIntExact(stored[1]);
        for (int first = 0; first < rows; first += BAND) {
            int band = Math.min(BAND, rows - first);
            HostTensor some = scratch(Shape.of(band, columns));
            file.copy(source, (long) first * columns, (long) band * columns, some, 0);
            turning.take(some.data(), band, columns);
            turning.writeTo(result, first, rows);
        }
    }

    /** Row by row, as the layout says: in runs of stored neighbours if there are some, else element by element. */
    private void gather(SafetensorsFile file, String source, long[] stored, Layout layout, HostTensor result) {
        int columns =
                result.shape().rank() == 0 ? 1 : Math.toIntExact(result.shape().size(-1));
        int rows = columns == 0 ? 0 : Math.toIntExact(result.shape().elements() / columns);
        long[] places = new long[columns];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                places[column] = layout.source(row, column, stored);
            }
            if (row == 0 && runs(places) > 1 + columns / SHORTEST_RUN) {
                gatherElements(file, source, stored, layout, result);
                return;
            }
            for (int from = 0, to; from < columns; from = to) {
                to = endOfRun(places, from);
                file.copy(source, places[from], to - from, result, (long) row * columns + from);
            }
        }
    }

    private static int endOfRun(long[] places, int from) {
        int to = from + 1;
        while (to < places.length && places[to] == places[to - 1] + 1) {
            to++;
        }
        return to;
    }

    private static int runs(long[] places) {
        int runs = 0;
        for (int from = 0; from < places.length; from = endOfRun(places, from)) {
            runs++;
        }
        return runs;
    }

    /** With the whole stored tensor at hand. */
    private void gatherElements(SafetensorsFile file, String source, long[] stored, Layout layout, HostTensor result) {
        HostTensor all = scratch(Shape.of(stored));
        file.copy(source, 0, all.shape().elements(), all, 0);
        ByteBuffer elements = all.data();
        int width = dtype.bytes();
        int columns = Math.toIntExact(result.shape().size(-1));
        int rows = Math.toIntExact(result.shape().elements() / columns);
        for (int row = 0; row < rows; row++) {
            ByteBuffer to = result.from((long) row * columns);
            for (int column = 0; column < columns; column++) {
                int from = Math.toIntExact(layout.source(row, column, stored));
                copyElement(elements, from, to, column, width);
            }
        }
    }

    private static void copyElement(ByteBuffer from, int source, ByteBuffer to, int target, int width) {
        switch (width) {
            case 2 -> to.putShort(target * 2, from.getShort(source * 2));
            case 4 -> to.putInt(target * 4, from.getInt(source * 4));
            default -> to.putLong(target * 8, from.getLong(source * 8));
        }
    }

    /** One buffer for all, because buffers are given back by the garbage collector only, and in its own time. */
    private HostTensor scratch(Shape shape) {
        int needed = HostTensor.byteSize(dtype, shape);
        if (scratch.capacity() < needed) {
            scratch = ByteBuffer.allocateDirect(needed).order(ByteOrder.nativeOrder());
        }
        return new HostTensor(dtype, shape, scratch);
    }
}
