package dev.loupe.backend.pytorch;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * An op with operands: the data type {@code null} in {@code dtypes} stands for the type under test.
 *
 * @param name what it is about, for the report
 * @param seed of the operands
 */
record OpCase(String name, Op op, List<HostTensor> operands, long seed) {

    @Override
    public String toString() {
        return op.name() + " " + name + ", seed " + seed;
    }

    /** How the elements of an operand are chosen. */
    enum Fill {
        /** Normally distributed, whole in the integer types. */
        NORMAL,
        /** Between 0.5 and 2.5. */
        POSITIVE,
        /** Few different values, so that there are ties. */
        TIES,
        /** As normal, with infinities, NaN, zeros of both signs among them. */
        SPECIAL,
        /** Few different values, with NaN among them. */
        TIES_AND_NAN
    }

    static HostTensor tensor(Random random, DType dtype, Fill fill, long... sizes) {
        HostTensor tensor = HostTensor.allocate(dtype, Shape.of(sizes));
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, element(random, dtype, fill));
        }
        return tensor;
    }

    private static double element(Random random, DType dtype, Fill fill) {
        if (dtype == DType.BOOL) {
            return random.nextInt(2);
        }
        double special = random.nextInt(6);
        if (dtype.isFloating() && (fill == Fill.SPECIAL || fill == Fill.TIES_AND_NAN) && special < 2) {
            double[] values = {Double.NaN, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 0.0, -0.0, 0.5, 1.5};
            return fill == Fill.SPECIAL ? values[random.nextInt(values.length)] : Double.NaN;
        }
        double number = switch (fill) {
            case POSITIVE -> 0.5 + 2 * random.nextDouble();
            case TIES, TIES_AND_NAN -> random.nextInt(3) - 1;
            default -> random.nextGaussian() * (dtype.isFloating() ? 1 : 5);
        };
        return dtype.isFloating() ? number : Math.rint(number);
    }

    static HostTensor indices(Random random, long size, long... sizes) {
        HostTensor tensor = HostTensor.allocate(DType.INT64, Shape.of(sizes));
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.data().putLong(i * Long.BYTES, random.nextInt((int) size));
        }
        return tensor;
    }

    /** Collects the cases of one data type. */
    static final class Cases {

        final List<OpCase> all = new ArrayList<>();
        final DType dtype;
        private long seed;

        Cases(DType dtype, long seed) {
            this.dtype = dtype;
            this.seed = seed;
        }

        /** The next operand generator; its seed goes into the next case. */
        Random random() {
            return new Random(seed);
        }

        void add(String name, Op op, HostTensor... operands) {
            all.add(new OpCase(dtype + " " + name, op, Arrays.asList(operands), seed));
            seed++;
        }

        /** A case whose operands all have the type under test. */
        void add(Op op, Fill fill, long[]... shapes) {
            Random random = random();
            HostTensor[] operands = new HostTensor[shapes.length];
            for (int i = 0; i < shapes.length; i++) {
                operands[i] = tensor(random, dtype, fill, shapes[i]);
            }
            add(fill + " " + Arrays.deepToString(shapes), op, operands);
        }
    }
}
