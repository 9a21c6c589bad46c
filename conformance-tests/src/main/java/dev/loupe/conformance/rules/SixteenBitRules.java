package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.Precision;
import dev.loupe.conformance.cases.SixteenBitCases;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Tolerances;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.Op;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 11: what a backend holds that has a 16-bit type, computes in one, or keeps weights in one. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class SixteenBitRules {

    /** How far results may lie on one side of the exact numbers on average, in units in the last place. */
    private static final double LEANING = 0.1;

    /** Units in the last place of the largest logit that a block may add to the root mean square of all errors. */
    private static final double ROUNDINGS = 3;

    /** How many wrong conversions a message shows. */
    private static final int SHOWN = 3;

    private final Bench bench;
    private final Models models;

    public SixteenBitRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    /** Declared, whether computed in or not. */
    private List<DType> declared() {
        return bench.types().stream().filter(DType::isSixteenBits).toList();
    }

    private List<DType> computed() {
        return bench.floats().stream().filter(DType::isSixteenBits).toList();
    }

    private List<DType> stored() {
        return declared().stream()
                .filter(bench.capabilities().storeDTypes()::contains)
                .toList();
    }

    @Rule("11.1")
    Stream<Trial> everyBitPatternComesBack() {
        return declared().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    HostTensor all = SixteenBitCases.everyPattern(type);
                    try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                        HostTensor back = handles.download(handles.upload(all));
                        check("coming back", all, back, all);
                    }
                }));
    }

    @Rule("11.2")
    Stream<Trial> widenedExactly() {
        return declared().stream()
                .map(type -> new Trial(type.label() + "-to-float32", attempt -> {
                    HostTensor all = SixteenBitCases.everyPattern(type);
                    HostTensor expected = HostTensor.allocate(DType.FLOAT32, all.shape());
                    for (int i = 0; i < SixteenBitCases.PATTERNS; i++) {
                        expected.data().putFloat(4 * i, (float) Precision.value(type, (short) i));
                    }
                    check("widened", all, cast(all, DType.FLOAT32), expected);
                }));
    }

    @Rule("11.3")
    Stream<Trial> roundedToTheNearest() {
        return declared().stream()
                .map(type -> new Trial("float32-to-" + type.label(), attempt -> {
                    HostTensor all = SixteenBitCases.everyRounding(type);
                    HostTensor expected = HostTensor.allocate(type, all.shape());
                    for (int i = 0; i < all.shape().elements(); i++) {
                        float number = all.data().getFloat(4 * i);
                        expected.data().putShort(2 * i, Precision.pattern(type, number));
                    }
                    check("rounded", all, cast(all, type), expected);
                }));
    }

    @Rule("11.3")
    Stream<Trial> oneKindBecomesTheOther() {
        return declared().stream()
                .flatMap(from -> declared().stream()
                        .filter(to -> to != from)
                        .map(to -> new Trial(from.label() + "-to-" + to.label(), attempt -> {
                            HostTensor all = SixteenBitCases.everyPattern(from);
                            HostTensor expected = HostTensor.allocate(to, all.shape());
                            for (int i = 0; i < SixteenBitCases.PATTERNS; i++) {
                                float number = (float) Precision.value(from, (short) i);
                                expected.data().putShort(2 * i, Precision.pattern(to, number));
                            }
                            check("converted", all, cast(all, to), expected);
                        })));
    }

    private HostTensor cast(HostTensor data, DType to) {
        return OnBackend.execute(bench.backend(), new Op.Cast(to), List.of(data))
                .get(0);
    }

    /** Compares bit by bit, a NaN with any NaN, and shows the first few that differ. */
    private static void check(String what, HostTensor from, HostTensor found, HostTensor expected) {
        int wrong = 0;
        List<String> shown = new ArrayList<>();
        for (int i = 0; i < expected.shape().elements(); i++) {
            boolean nans = Double.isNaN(found.getDouble(i)) && Double.isNaN(expected.getDouble(i));
            if (!nans && bits(found, i) != bits(expected, i)) {
                wrong++;
                if (shown.size() < SHOWN) {
                    shown.add(inWords(from, i) + " gives " + inWords(found, i) + ", expected " + inWords(expected, i));
                }
            }
        }
        if (wrong > 0) {
            throw new AssertionError(from.dtype() + " " + what + ": "
                    + String.join("; ", shown) + "; " + wrong + " of "
                    + expected.shape().elements() + " are wrong");
        }
    }

    private static int bits(HostTensor tensor, int index) {
        return tensor.dtype().isSixteenBits()
                ? tensor.data().getShort(2 * index) & 0xffff
                : tensor.data().getInt(4 * index);
    }

    private static String inWords(HostTensor tensor, int index) {
        return tensor.getDouble(index) + " (0x" + Integer.toHexString(bits(tensor, index)) + ")";
    }

    @Rule("11.4")
    Stream<Trial> longSumsAreKeptInFloat32() {
        return computed().stream()
                .flatMap(type -> SixteenBitCases.longSums(type, new SplittableRandom(0)).keySet().stream()
                        .map(operation -> new Trial(operation + "/" + type.label(), attempt -> {
                            Map<String, List<OpCase>> cases = SixteenBitCases.longSums(type, attempt.random(0));
                            attempt.each(
                                    Objects.requireNonNull(cases.get(operation)),
                                    OpCase::describe,
                                    one -> roundedOnce(one, type, attempt));
                        })));
    }

    /** Within what float32 is allowed, and a unit in the last place for rounding the result and one on the way to it. */
    private void roundedOnce(OpCase one, DType type, Attempt attempt) {
        HostTensor found =
                OnBackend.execute(bench.backend(), one.op(), one.inputs()).get(0);
        HostTensor expected = bench.oracle().outputs(one).get(0);
        double[] inFloat32 = Objects.requireNonNull(Tolerances.allowed(one, expected, DType.FLOAT32, bench.oracle()));
        double[] allowed = new double[inFloat32.length];
        for (int i = 0; i < allowed.length; i++) {
            allowed[i] = inFloat32[i] + 2 * Precision.ulp(expected.getDouble(i), type);
        }
        Comparison comparison = Comparison.of(found, expected, allowed);
        attempt.report().measured(one.op().name() + ", long sums", type, comparison, one.describe());
        comparison.check(one.op().name() + " in " + type + ", as float32 rounded");
    }

    @Rule("11.5")
    Stream<Trial> resultsAreRoundedNotCut() {
        return computed().stream()
                .flatMap(type -> SixteenBitCases.rounded(type, new SplittableRandom(0)).keySet().stream()
                        .map(operation -> new Trial(operation + "/" + type.label(), attempt -> {
                            Map<String, List<OpCase>> cases = SixteenBitCases.rounded(type, attempt.random(0));
                            attempt.each(
                                    Objects.requireNonNull(cases.get(operation)),
                                    OpCase::describe,
                                    one -> leansToNoSide(one, type));
                        })));
    }

    private void leansToNoSide(OpCase one, DType type) {
        HostTensor found =
                OnBackend.execute(bench.backend(), one.op(), one.inputs()).get(0);
        HostTensor expected = bench.oracle().outputs(one).get(0);
        int count = 0;
        double outwards = 0;
        double upwards = 0;
        for (int i = 0; i < expected.shape().elements(); i++) {
            double want = expected.getDouble(i);
            if (Math.abs(want) > Precision.smallestNormal(type)) {
                double units = (found.getDouble(i) - want) / Precision.ulp(want, type);
                outwards += Math.signum(want) * units;
                upwards += units;
                count++;
            }
        }
        if (Math.abs(outwards) > LEANING * count || Math.abs(upwards) > LEANING * count) {
            throw new AssertionError(String.format(
                    Locale.ROOT,
                    "%s in %s: %d results lie %.3f units in the last place away from 0 and %.3f above the exact numbers"
                            + " on average, expected within %.1f of them: rounding to nearest leans to no side, cutting"
                            + " by half a unit",
                    one.op().name(),
                    type,
                    count,
                    outwards / count,
                    upwards / count,
                    LEANING));
        }
    }

    @Rule("11.6")
    Stream<Trial> modelsWithStoredWeightsComputeInFloat32() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .flatMap(kind -> stored().stream()
                        .map(type -> new Trial(kind.path() + "/" + type.label(), attempt -> {
                            Models.Pair pair = models.pair(kind, type);
                            Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                            Trace found =
                                    Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of());
                            Trace expected = Traces.run(
                                    pair.truth(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of());
                            if (found.logits().dtype() != DType.FLOAT32) {
                                throw new AssertionError("a model whose weights are stored in " + type
                                        + " gives logits in " + found.logits().dtype() + ", expected float32");
                            }
                            Traces.compare(pair.mine(), found, expected, 1, attempt.report());
                        })));
    }

    @Rule("11.7")
    Stream<Trial> modelsAreNearToFloat64() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .flatMap(kind -> computed().stream()
                        .filter(type -> !stored().contains(type))
                        .map(type -> new Trial(kind.path() + "/" + type.label(), attempt -> {
                            Models.Pair pair = models.pair(kind, type);
                            Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                            Trace found =
                                    Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.none(), List.of());
                            Trace expected =
                                    Traces.run(pair.truth(), tokens, Way.PADDED_RIGHT, HookFilter.none(), List.of());
                            int layers = pair.mine().config().nLayers();
                            near(found.logits(), expected.logits(), type, layers, attempt);
                        })));
    }

    @Rule("11.8")
    Stream<Trial> rowsAreReadInTheTypeInWhichTheyAreKept() {
        return stored().stream()
                .flatMap(type -> Stream.of(0, 1)
                        .map(axis -> new Trial("axis-" + axis + "/" + type.label(), attempt -> {
                            HostTensor all = SixteenBitCases.everyPattern(type);
                            SplittableRandom random = attempt.random(0);
                            long[] places = random.longs(300, 0, 256).toArray();
                            HostTensor expected = HostTensor.allocate(
                                    type, axis == 0 ? Shape.of(3, 100, 256) : Shape.of(256, 3, 100));
                            for (int i = 0; i < places.length * 256; i++) {
                                int row = axis == 0 ? (int) places[i / 256] : i / places.length;
                                int column = axis == 0 ? i % 256 : (int) places[i % places.length];
                                expected.data().putShort(2 * i, all.data().getShort(2 * (row * 256 + column)));
                            }
                            HostTensor indices = HostTensor.of(Shape.of(3, 100), places);
                            check("gathered", expected, gather(axis, all, indices), expected);
                        })));
    }

    private HostTensor gather(int axis, HostTensor table, HostTensor indices) {
        try {
            return OnBackend.execute(bench.backend(), new Op.Gather(axis), List.of(table, indices))
                    .get(0);
        } catch (UnsupportedOperationException refused) {
            throw new AssertionError(
                    "gather is refused in " + table.dtype() + ", which is among the types to store weights in",
                    refused);
        }
    }

    /** By the root mean square of all differences: rounding errors are many and cancel, mistakes don't. */
    private static void near(HostTensor found, HostTensor expected, DType type, int layers, Attempt attempt) {
        double[] have = found.toDoubleArray();
        double[] want = expected.toDoubleArray();
        double squares = 0;
        for (int i = 0; i < want.length; i++) {
            squares += (have[i] - want[i]) * (have[i] - want[i]);
        }
        double largest = Arrays.stream(want).map(Math::abs).max().orElse(0);
        double error = Math.sqrt(squares / want.length) / largest;
        double allowed = ROUNDINGS * Precision.eps(type) * Math.sqrt(layers + 2.0);
        Comparison comparison = Comparison.of(
                HostTensor.of(Shape.SCALAR, error), HostTensor.of(Shape.SCALAR, 0.0), new double[] {allowed});
        attempt.report().measured("(logits of models, rms)", type, comparison, attempt.path());
        comparison.check("the root mean square error of the logits in " + type + ", as a part of the largest of them");
    }
}
