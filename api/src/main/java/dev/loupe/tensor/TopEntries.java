package dev.loupe.tensor;

import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor.Entry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** The largest of all elements, and where they stand. */
final class TopEntries {

    private TopEntries() {}

    static List<Entry> of(double[] elements, Shape shape, int k) {
        if (k < 0) {
            throw new IllegalArgumentException("The number of largest elements must be 0 or more, got " + k);
        }
        // NaN is larger than everything to Double.compare, and is to come last here.
        Comparator<Integer> smallestFirst = Comparator.<Integer>comparingDouble(
                        i -> Double.isNaN(elements[i]) ? Double.NEGATIVE_INFINITY : elements[i])
                .thenComparing(i -> !Double.isNaN(elements[i]))
                .thenComparing(Comparator.reverseOrder());
        PriorityQueue<Integer> largest = new PriorityQueue<>(smallestFirst);
        for (int i = 0; k > 0 && i < elements.length; i++) {
            largest.add(i);
            if (largest.size() > k) {
                largest.remove();
            }
        }
        List<Integer> order = new ArrayList<>(largest);
        order.sort(smallestFirst.reversed());
        return order.stream()
                .map(flat -> new Entry(index(flat, shape), elements[flat]))
                .toList();
    }

    private static List<Integer> index(int flat, Shape shape) {
        Integer[] index = new Integer[shape.rank()];
        int rest = flat;
        for (int axis = index.length - 1; axis >= 0; axis--) {
            int size = (int) shape.size(axis);
            index[axis] = rest % size;
            rest /= size;
        }
        return Arrays.asList(index);
    }
}
