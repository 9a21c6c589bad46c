package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** What 16-bit types are tried on: all their numbers, those between, and sums that 16 bits can't keep. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class SixteenBitCases {

    /** How many bit patterns there are. */
    public static final int PATTERNS = 1 << 16;

    /** Terms of a sum: far beyond the 256 and 2,048 at which counting by ones ends in bfloat16 and float16. */
    private static final long LONG = 4099;

    /** Bits of NaNs as float32: quiet and signalling, of both signs, some with nothing in the bits that stay. */
    private static final int[] NANS = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0x7f80ffff};

    private final Inputs inputs;
    private final DType type;
    private final Map<String, List<OpCase>> cases = new LinkedHashMap<>();

    private SixteenBitCases(DType type, SplittableRandom random) {
        this.type = type;
        this.inputs = new Inputs(random, type);
    }

    /** Every bit pattern of a 16-bit type, in order. */
    public static HostTensor everyPattern(DType type) {
        HostTensor all = HostTensor.allocate(type, Shape.of(256, 256));
        for (int i = 0; i < PATTERNS; i++) {
            all.data().putShort(2 * i, (short) i);
        }
        return all;
    }

    /**
     * Every finite number of a 16-bit type in float32, the middles between neighbours and what lies next to those, the
     * number beyond the largest included, of both signs; infinities and NaNs.
     */
    public static HostTensor everyRounding(DType type) {
        int infinity = type == DType.FLOAT16 ? 0x7c00 : 0x7f80;
        List<Integer> bits = new ArrayList<>();
        for (int pattern = 0; pattern < infinity; pattern++) {
            float number = widened(type, (short) pattern);
            double next = pattern + 1 < infinity
                    ? widened(type, (short) (pattern + 1))
                    : 2.0 * number - widened(type, (short) (pattern - 1));
            float middle = (float) ((number + next) / 2);
            for (float one : new float[] {number, Math.nextDown(middle), middle, Math.nextUp(middle)}) {
                bits.add(Float.floatToRawIntBits(one));
                bits.add(Float.floatToRawIntBits(-one));
            }
        }
        bits.add(Float.floatToRawIntBits(Float.POSITIVE_INFINITY));
        bits.add(Float.floatToRawIntBits(Float.NEGATIVE_INFINITY));
        bits.add(Float.floatToRawIntBits(Float.MAX_VALUE));
        bits.add(Float.floatToRawIntBits(-Float.MAX_VALUE));
        for (int nan : NANS) {
            bits.add(nan);
        }
        HostTensor all = HostTensor.allocate(DType.FLOAT32, Shape.of(bits.size()));
        for (int i = 0; i < bits.size(); i++) {
            all.data().putInt(4 * i, bits.get(i));
        }
        return all;
    }

    private static float widened(DType type, short pattern) {
        return (float) Precision.value(type, pattern);
    }

    /** Operations that sum many terms, by name. */
    public static Map<String, List<OpCase>> longSums(DType type, SplittableRandom random) {
        SixteenBitCases made = new SixteenBitCases(type, random);
        made.sums();
        made.products();
        made.shares();
        made.norms();
        return made.cases;
    }

    /** Operations whose results must be rounded, by name: thousands of elements each, none of them exact. */
    public static Map<String, List<OpCase>> rounded(DType type, SplittableRandom random) {
        SixteenBitCases made = new SixteenBitCases(type, random);
        made.add("", new Op.Binary(Op.BinaryKind.ADD), made.normal(64, 61), made.normal(64, 61));
        made.add("", new Op.Binary(Op.BinaryKind.MUL), made.normal(64, 61), made.normal(64, 61));
        made.add("", new Op.Binary(Op.BinaryKind.DIV), made.normal(64, 61), made.positive(64, 61));
        made.add("", new Op.Unary(Op.UnaryKind.EXP), made.normal(64, 61));
        made.add("", new Op.Activation(Op.ActivationKind.SILU), made.normal(64, 61));
        made.add("", new Op.Softmax(1), made.normal(64, 61));
        made.add("", new Op.LayerNorm(1e-5), made.normal(64, 61));
        made.add("", new Op.RmsNorm(1e-6), made.normal(64, 61));
        made.add("", new Op.MatMul(), made.normal(64, 7), made.normal(7, 61));
        made.add("", new Op.Reduce(Op.ReduceKind.MEAN, List.of(1), false), made.normal(4096, 3));
        return made.cases;
    }

    private void add(String note, Op op, HostTensor... operands) {
        cases.computeIfAbsent(op.name(), name -> new ArrayList<>()).add(new OpCase(op, List.of(operands), note));
    }

    private HostTensor normal(long... sizes) {
        return inputs.normal(sizes);
    }

    private HostTensor positive(long... sizes) {
        return inputs.tensor(Shape.of(sizes), Pattern.NORMAL, Domain.POSITIVE);
    }

    /** Normal numbers around another one than 0. */
    private HostTensor around(double centre, double spread, long... sizes) {
        HostTensor made = HostTensor.allocate(type, Shape.of(sizes));
        HostTensor random = inputs.normal(sizes);
        for (int i = 0; i < made.shape().elements(); i++) {
            made.setDouble(i, centre + spread * random.getDouble(i));
        }
        return made;
    }

    private void sums() {
        for (Op.ReduceKind kind : List.of(Op.ReduceKind.SUM, Op.ReduceKind.MEAN)) {
            add("terms of one sign", new Op.Reduce(kind, List.of(1), true), around(0.7, 0.1, 3, LONG));
            add("terms of one sign", new Op.Reduce(kind, List.of(0), false), around(0.7, 0.1, LONG, 3));
            add("terms of both signs", new Op.Reduce(kind, List.of(1), true), normal(3, LONG));
        }
        add("terms of one sign", new Op.CumSum(1, false), around(0.7, 0.1, 3, LONG));
        add("terms of both signs", new Op.CumSum(1, true), normal(3, LONG));
    }

    private void products() {
        add("terms of one sign", new Op.MatMul(), around(0.7, 0.1, 5, LONG), around(0.7, 0.1, LONG, 7));
        add("terms of both signs", new Op.MatMul(), normal(5, LONG), normal(LONG, 7));
        add("a few terms", new Op.MatMul(), normal(31, 17), normal(17, 33));
        add("terms of one sign", new Op.Linear(), around(0.7, 0.1, 1, 5, LONG), around(0.7, 0.1, LONG, 7), normal(7));
        add("terms of both signs", new Op.Linear(), normal(1, 5, LONG), normal(LONG, 7), normal(7));
    }

    private void shares() {
        add("shares that hardly differ", new Op.Softmax(1), around(0, 0.1, 3, LONG));
        add("shares of all sizes", new Op.Softmax(1), around(0, 2, 3, LONG));
        add("along the first axis", new Op.Softmax(0), around(0, 0.1, LONG, 3));
        add("shares that hardly differ", new Op.LogSoftmax(1), around(0, 0.1, 3, LONG));
        add("shares of all sizes", new Op.LogSoftmax(1), around(0, 2, 3, LONG));
    }

    // Without weights and biases, which may be a step of their own and so be rounded once more.
    private void norms() {
        add("centred", new Op.LayerNorm(1e-5), normal(3, LONG));
        add("away from 0", new Op.LayerNorm(1e-5), around(2, 1, 3, LONG));
        add("large numbers", new Op.LayerNorm(1e-5), around(0, 24, 3, LONG));
        add("centred", new Op.RmsNorm(1e-6), normal(3, LONG));
        // The sum of squares is beyond float16, the numbers aren't.
        add("large numbers", new Op.RmsNorm(1e-6), around(0, 24, 3, LONG));
    }
}
