package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Ways to come by a tensor other than uploading it: as the result of an operation that many engines don't carry out but
 * note down, as strides and an offset into other memory.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public enum Views {
    /** Another tensor, its axes turned. */
    TRANSPOSED,
    /** Every second element of the last axis. */
    STEPPED,
    /** The second half along the first axis. */
    OFFSET,
    /** One row, again and again. */
    EXPANDED;

    /** A tensor as the result of an operation on another. */
    public record View(HostTensor contents, HostTensor base, Op op) {}

    /** Whether tensors of a shape can be come by in this way. */
    public boolean suits(Shape shape) {
        return shape.elements() > 0 && shape.rank() > (this == TRANSPOSED ? 1 : 0);
    }

    /**
     * A tensor in this way.
     *
     * @param wanted what it should hold; where rows are all alike, its first row
     */
    public View of(HostTensor wanted) {
        return switch (this) {
            case TRANSPOSED -> transposed(wanted);
            case STEPPED -> stepped(wanted);
            case OFFSET -> offset(wanted);
            case EXPANDED -> expanded(wanted);
        };
    }

    private static View transposed(HostTensor wanted) {
        int rank = wanted.shape().rank();
        List<Integer> order = new ArrayList<>();
        long[] sizes = new long[rank];
        for (int axis = 0; axis < rank; axis++) {
            order.add(rank - 1 - axis);
            sizes[axis] = wanted.shape().size(rank - 1 - axis);
        }
        HostTensor base = HostTensor.allocate(wanted.dtype(), Shape.of(sizes));
        for (int i = 0; i < wanted.shape().elements(); i++) {
            long rest = i;
            long at = 0;
            // The last axis of one is the first of the other, and so on.
            for (int axis = rank - 1; axis >= 0; axis--) {
                at = at * wanted.shape().size(axis) + rest % wanted.shape().size(axis);
                rest /= wanted.shape().size(axis);
            }
            copy(wanted, i, base, (int) at);
        }
        return new View(wanted, base, new Op.Transpose(order));
    }

    private static View stepped(HostTensor wanted) {
        int last = wanted.shape().rank() - 1;
        Shape wide = wanted.shape().with(last, 2 * wanted.shape().size(last));
        HostTensor base = withOthers(wanted.dtype(), wide);
        for (int i = 0; i < wanted.shape().elements(); i++) {
            copy(wanted, i, base, 2 * i);
        }
        return new View(wanted, base, new Op.Slice(last, 0, Op.Slice.TO_END, 2));
    }

    private static View offset(HostTensor wanted) {
        long rows = wanted.shape().size(0);
        int count = (int) wanted.shape().elements();
        HostTensor base = withOthers(wanted.dtype(), wanted.shape().with(0, 2 * rows));
        for (int i = 0; i < count; i++) {
            copy(wanted, i, base, count + i);
        }
        return new View(wanted, base, new Op.Slice(0, rows, Op.Slice.TO_END, 1));
    }

    private static View expanded(HostTensor wanted) {
        long rows = wanted.shape().size(0);
        HostTensor contents = HostTensor.allocate(wanted.dtype(), wanted.shape());
        HostTensor base = HostTensor.allocate(wanted.dtype(), wanted.shape().with(0, 1));
        int row = (int) base.shape().elements();
        for (int i = 0; i < contents.shape().elements(); i++) {
            copy(wanted, i % row, contents, i);
            copy(wanted, i % row, base, i % row);
        }
        List<Long> sizes = new ArrayList<>();
        sizes.add(rows);
        for (int axis = 1; axis < wanted.shape().rank(); axis++) {
            sizes.add(-1L);
        }
        return new View(contents, base, new Op.Expand(sizes));
    }

    /** What isn't in the view: numbers that make themselves felt. */
    private static HostTensor withOthers(DType type, Shape shape) {
        HostTensor tensor = HostTensor.allocate(type, shape);
        ByteBuffer data = tensor.data();
        for (int i = 0; i < data.capacity(); i++) {
            data.put(i, (byte) (type == DType.BOOL ? i & 1 : 0x7b));
        }
        return tensor;
    }

    private static void copy(HostTensor from, int index, HostTensor to, int place) {
        int bytes = from.dtype().bytes();
        to.data().put(place * bytes, from.data(), index * bytes, bytes);
    }
}
