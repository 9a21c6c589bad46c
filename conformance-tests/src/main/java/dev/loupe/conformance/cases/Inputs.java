package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Makes tensors of random numbers: the same seed gives the same numbers on every machine. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Inputs {

    private static final double[] SPECIALS = {
        Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3
    };

    private final SplittableRandom random;
    private final DType type;

    public Inputs(SplittableRandom random, DType type) {
        this.random = random;
        this.type = type;
    }

    /** What kind of numbers. */
    public enum Pattern {
        /** Normally distributed; whole numbers from −100 to 100. */
        NORMAL("normal values"),
        /** Spread over many orders of magnitude; large whole numbers. */
        WIDE("values of many magnitudes"),
        /** Around a thousand times the smallest number of full precision; −1, 0, 1. */
        TINY("tiny values"),
        /** Equal numbers here and there. */
        TIES("values with ties"),
        /** Infinities, zeros of both signs, denormals, the largest and smallest. */
        SPECIAL("infinities, zeros, denormals and extremes");

        private final String label;

        Pattern(String label) {
            this.label = label;
        }

        public String label() {
            return label;
        }
    }

    /** Which numbers make sense for an operation. */
    public enum Domain {
        /** All. */
        ANY,
        /** Above 0. */
        POSITIVE,
        /** Not 0. */
        NONZERO,
        /** Between −30000 and 30000. */
        ANGLE,
        /** So near to 1 that products of many stay finite; −1 or 1 for whole numbers. */
        NEAR_ONE,
        /** Between −3 and 3. */
        EXPONENT
    }

    /** A tensor of such numbers. */
    public HostTensor tensor(Shape shape, Pattern pattern, Domain domain) {
        HostTensor tensor = HostTensor.allocate(type, shape);
        int count = (int) shape.elements();
        for (int i = 0; i < count; i++) {
            if (type == DType.BOOL) {
                tensor.setDouble(i, random.nextInt(2));
            } else if (type == DType.INT64) {
                tensor.data().putLong(i * 8, whole(pattern, domain));
            } else if (type == DType.INT32) {
                tensor.data().putInt(i * 4, (int) whole(pattern, domain));
            } else {
                tensor.setDouble(i, inDomain(number(pattern), domain));
            }
        }
        return tensor;
    }

    /** A tensor of normal numbers. */
    public HostTensor normal(long... sizes) {
        return tensor(Shape.of(sizes), Pattern.NORMAL, Domain.ANY);
    }

    /** Whole numbers from 0 to below the bound, as int64. */
    public HostTensor indices(Shape shape, long bound) {
        HostTensor tensor = HostTensor.allocate(DType.INT64, shape);
        int count = (int) shape.elements();
        for (int i = 0; i < count; i++) {
            tensor.data().putLong(i * 8, random.nextLong(bound));
        }
        return tensor;
    }

    /** Bools, true with a probability. */
    public HostTensor bools(Shape shape, double probability) {
        HostTensor tensor = HostTensor.allocate(DType.BOOL, shape);
        int count = (int) shape.elements();
        for (int i = 0; i < count; i++) {
            tensor.setDouble(i, random.nextDouble() < probability ? 1 : 0);
        }
        return tensor;
    }

    private long whole(Pattern pattern, Domain domain) {
        if (domain == Domain.NEAR_ONE) {
            return random.nextBoolean() ? 1 : -1;
        }
        long large = type == DType.INT64 ? 1L << 40 : 1L << 20;
        long value = switch (pattern) {
            case NORMAL -> random.nextLong(-100, 101);
            case WIDE, SPECIAL -> random.nextLong(-large, large + 1);
            case TINY, TIES -> random.nextLong(-1, 2);
        };
        return domain == Domain.NONZERO && value == 0 ? 1 : value;
    }

    private double number(Pattern pattern) {
        return switch (pattern) {
            case NORMAL -> gaussian();
            case WIDE -> gaussian() * Math.scalb(1.0, random.nextInt(-wide(), wide() + 1));
            case TINY -> gaussian() * 1000 * Precision.smallestNormal(type);
            case TIES -> random.nextInt(-2, 3);
            case SPECIAL -> special();
        };
    }

    private int wide() {
        return type == DType.FLOAT16 ? 5 : 20;
    }

    private double special() {
        int choice = random.nextInt(SPECIALS.length + 6);
        double sign = random.nextBoolean() ? 1 : -1;
        return switch (choice - SPECIALS.length) {
            case 0 -> sign * Precision.largest(type);
            case 1 -> sign * Precision.smallestNormal(type);
            case 2 -> sign * Precision.smallestNormal(type) / 4;
            case 3 -> sign * Precision.smallestNormal(type) * Precision.eps(type);
            case 4, 5 -> gaussian();
            default -> SPECIALS[choice];
        };
    }

    private static double inDomain(double value, Domain domain) {
        return switch (domain) {
            case ANY -> value;
            case POSITIVE -> value == 0 ? 1 : Math.abs(value);
            case NONZERO -> value == 0 ? 1 : value;
            case ANGLE -> Math.abs(value) > 30_000 ? value % 30_000 : value;
            case NEAR_ONE -> 1 + Math.IEEEremainder(value, 1) / 256;
            case EXPONENT -> Math.IEEEremainder(value, 6);
        };
    }

    /** By the polar method: the same on every JDK. */
    private double gaussian() {
        while (true) {
            double u = 2 * random.nextDouble() - 1;
            double v = 2 * random.nextDouble() - 1;
            double s = u * u + v * v;
            if (s < 1 && s > 0) {
                return u * StrictMath.sqrt(-2 * StrictMath.log(s) / s);
            }
        }
    }
}
