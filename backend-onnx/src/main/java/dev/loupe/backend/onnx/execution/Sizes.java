package dev.loupe.backend.onnx.execution;

import dev.loupe.array.Shape;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The values of a segment's symbols in one run, read off the inputs. */
final class Sizes {

    private final Map<String, Long> symbols = new TreeMap<>();
    private final Map<Dim, Long> dims = new HashMap<>();

    private Sizes() {}

    /**
     * Reads the values off the inputs and checks that these fit the segment.
     *
     * @throws IllegalArgumentException if they don't; names the region, the input, what it needs and what it got
     */
    static Sizes of(Segment segment, List<TensorHandle> inputs) {
        Sizes sizes = new Sizes();
        if (inputs.size() != segment.inputs().size()) {
            throw new IllegalArgumentException("The segment " + name(segment) + " needs "
                    + segment.inputs().size() + " inputs, got " + inputs.size());
        }
        for (int i = 0; i < inputs.size(); i++) {
            TensorType type = segment.types().get(segment.inputs().get(i));
            TensorHandle input = inputs.get(i);
            if (input.dtype() != type.dtype() || input.shape().rank() != type.rank()) {
                throw sizes.misfit(segment, i, input);
            }
            sizes.readSoleSymbols(type, input.shape());
        }
        while (sizes.solveOne(segment, inputs)) {
            // Each pass finds the value of one symbol that stands in a sum only.
        }
        for (int i = 0; i < inputs.size(); i++) {
            sizes.check(segment, i, inputs.get(i));
        }
        return sizes;
    }

    private void readSoleSymbols(TensorType type, Shape shape) {
        for (int axis = 0; axis < type.rank(); axis++) {
            String symbol = type.dim(axis).soleSymbol();
            if (!symbol.isEmpty()) {
                symbols.putIfAbsent(symbol, shape.size(axis));
            }
        }
    }

    private boolean solveOne(Segment segment, List<TensorHandle> inputs) {
        for (int i = 0; i < inputs.size(); i++) {
            TensorType type = segment.types().get(segment.inputs().get(i));
            for (int axis = 0; axis < type.rank(); axis++) {
                Dim dim = type.dim(axis);
                if (!dim.isFixed() && dim.soleSymbol().isEmpty()) {
                    long size = inputs.get(i).shape().size(axis);
                    dims.putIfAbsent(dim, size);
                    if (solve(dim, size)) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    private boolean solve(Dim dim, long size) {
        List<String> unknown = dim.symbols().stream()
                .filter(symbol -> !symbols.containsKey(symbol))
                .toList();
        if (unknown.size() != 1) {
            return false;
        }
        Map<String, Long> trial = new HashMap<>(symbols);
        trial.put(unknown.get(0), 0L);
        long without = dim.resolve(trial);
        trial.put(unknown.get(0), 1L);
        long each = dim.resolve(trial) - without;
        if (each == 0) {
            return false;
        }
        symbols.put(unknown.get(0), (size - without) / each);
        return true;
    }

    private void check(Segment segment, int index, TensorHandle input) {
        TensorType type = segment.types().get(segment.inputs().get(index));
        for (int axis = 0; axis < type.rank(); axis++) {
            long size = input.shape().size(axis);
            if (size < 0 || size != expected(type.dim(axis))) {
                throw misfit(segment, index, input);
            }
        }
    }

    // A sum is what its symbols say, if all of them are known; otherwise what the first input with that sum says.
    private long expected(Dim dim) {
        boolean isSum = !dim.isFixed() && dim.soleSymbol().isEmpty();
        return isSum && symbols.keySet().containsAll(dim.symbols()) ? dim.resolve(symbols) : size(dim);
    }

    private IllegalArgumentException misfit(Segment segment, int index, TensorHandle input) {
        TensorType type = segment.types().get(segment.inputs().get(index));
        return new IllegalArgumentException("The segment " + name(segment) + " needs " + type + " as input " + index
                + " (slot " + segment.inputs().get(index) + "), got " + input.dtype() + " " + input.shape()
                + (symbols.isEmpty() ? "" : "; the other inputs say " + symbols));
    }

    private static String name(Segment segment) {
        return segment.region().isEmpty() ? "of " + segment.steps() : "'" + segment.region() + "'";
    }

    /** A size in this run. */
    long size(Dim dim) {
        if (dim.isFixed()) {
            return dim.value();
        }
        Long known = dims.get(dim);
        if (known == null) {
            known = dim.resolve(symbols);
            dims.put(dim, known);
        }
        return known;
    }

    /** The shape of a value in this run. A range that a slice cuts off beyond the end is empty. */
    Shape shape(TensorType type) {
        long[] sizes = new long[type.rank()];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = Math.max(0, size(type.dim(i)));
        }
        return Shape.of(sizes);
    }
}
