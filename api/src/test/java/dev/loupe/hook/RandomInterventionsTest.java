package dev.loupe.hook;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Whatever an intervention is made of, its text and its JSON are it. */
class RandomInterventionsTest {

    private static final int COUNT = 3000;
    private static final long SEED = 31;
    private static final List<String> WORDS = List.of(
            "v.safetensors",
            "a b",
            "\"",
            "\\",
            "x:y",
            "C:\\d\\v.safetensors",
            "], [",
            " Mary",
            "日本",
            "\n\t",
            "😀",
            "0",
            "mean(pos)",
            "it's (1|2)",
            "\u2028",
            "=",
            "+= 1");
    private static final List<String> POINTS =
            List.of("z2", "blocks.0.attn.hook_z", "blocks.*.hook_mlp_out", "hook_embed", "z1,z2", "?", "*");
    private static final double[] NUMBERS = {
        0,
        -0.0,
        1,
        -1,
        0.1,
        1.0 / 3,
        Double.MIN_VALUE,
        Double.MAX_VALUE,
        -Double.MAX_VALUE,
        Double.NaN,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        9007199254740993.0,
        1e-30,
        Float.MIN_VALUE
    };
    private static final long[] PLACES = {0, 1, -1, 7, 4096, Long.MAX_VALUE, Long.MIN_VALUE};

    private final SplittableRandom random = new SplittableRandom(SEED);

    @Test
    void textAndJsonReadBackAsTheSame() {
        for (int i = 0; i < COUNT; i++) {
            Intervention made = intervention();
            String what = "seed " + SEED + ", intervention " + i + ": " + made;
            assertThat(Intervention.parse(made.toString())).as(what).isEqualTo(made);
            assertThat(Intervention.fromJson(made.toJson())).as(what).isEqualTo(made);
            assertThat(Intervention.parse(Intervention.fromJson(made.toJson()).toString()))
                    .as(what)
                    .isEqualTo(made);
        }
    }

    private Intervention intervention() {
        Selection selection = Selection.ALL;
        for (int i = random.nextInt(4); i > 0; i--) {
            Selection.Which which = random.nextInt(3) == 0
                    ? null
                    : Selection.Which.values()[random.nextInt(Selection.Which.values().length)];
            List<Selection.Part> parts = new java.util.ArrayList<>(selection.parts());
            parts.add(new Selection.Part(which, places()));
            selection = new Selection(parts);
        }
        return new Intervention(POINTS.get(random.nextInt(POINTS.size())), selection, action());
    }

    private Selection.Places places() {
        List<Long> some = LongStream.range(0, random.nextInt(4))
                .mapToObj(i -> PLACES[random.nextInt(PLACES.length)])
                .toList();
        return switch (random.nextInt(7)) {
            case 0 -> new Selection.All();
            case 1 -> new Selection.LastReal();
            case 2 -> new Selection.EachRow(some);
            case 3 -> new Selection.OfPrompt(some);
            case 4 -> new Selection.OfToken(word());
            case 5 ->
                new Selection.Range(
                        PLACES[random.nextInt(PLACES.length)],
                        PLACES[random.nextInt(PLACES.length)],
                        1 + random.nextInt(5));
            default -> new Selection.At(some);
        };
    }

    private Intervention.Action action() {
        return switch (random.nextInt(8)) {
            case 0 -> new Intervention.Zero();
            case 1 -> new Intervention.Set(values());
            case 2 -> new Intervention.Add(values());
            case 3 -> new Intervention.Scale(number());
            case 4 ->
                new Intervention.Mean(List.of(Axis.POS, Axis.BATCH, Axis.HEAD).subList(0, 1 + random.nextInt(3)));
            case 5 -> new Intervention.Patch(null, word());
            case 6 -> new Intervention.ProjectOut(values());
            default -> new Intervention.Stop();
        };
    }

    private Intervention.Values values() {
        return switch (random.nextInt(3)) {
            case 0 -> Intervention.Values.of(number());
            case 1 -> new Intervention.Values(number(), null, word(), word());
            default -> new Intervention.Values(number(), tensor(), null, null);
        };
    }

    private HostTensor tensor() {
        DType dtype = random.nextBoolean() ? DType.FLOAT32 : DType.FLOAT64;
        long[] sizes = LongStream.range(0, random.nextInt(3))
                .map(i -> random.nextInt(4))
                .toArray();
        double[] numbers = IntStream.range(0, (int) Shape.of(sizes).elements())
                .mapToDouble(i -> number())
                .toArray();
        return HostTensor.of(Shape.of(sizes), numbers).to(dtype);
    }

    private double number() {
        return random.nextInt(3) == 0 ? random.nextDouble(-1e6, 1e6) : NUMBERS[random.nextInt(NUMBERS.length)];
    }

    private String word() {
        return WORDS.get(random.nextInt(WORDS.size()));
    }
}
