package dev.loupe.dictionaries;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Dictionaries of every kind with random weights, as SAELens writes them, against plain arithmetic in float64. */
class KindsTest {

    private static final int WIDTH = 128;
    private static final int FEATURES = 40;
    private static final int K = 6;
    private static final String READS = "blocks.1.hook_resid_post";
    private static final String BEFORE_MLP = "blocks.1.ln2.hook_normalized";
    private static final String MLP = "blocks.1.hook_mlp_out";

    private static @Nullable HookedTransformer toy;

    @BeforeAll
    static void load() {
        toy = HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64));
    }

    @AfterAll
    static void close() {
        Objects.requireNonNull(toy).close();
    }

    /**
     * A kind.
     *
     * @param architecture as the file says it
     * @param settings more of the file, as JSON, each with a comma in front
     * @param arrays besides W_enc, W_dec and b_dec
     */
    record Kind(String architecture, String settings, List<String> arrays) {
        boolean isTranscoder() {
            return architecture.contains("transcoder");
        }

        boolean has(String setting) {
            return settings.contains(setting);
        }

        @Override
        public String toString() {
            return architecture + settings.replace("\"", "");
        }
    }

    static Stream<Kind> kinds() {
        List<String> plain = List.of("b_enc");
        List<String> jump = List.of("b_enc", "threshold");
        String k = ", \"k\": " + K;
        return Stream.of(
                new Kind("standard", "", plain),
                new Kind("standard", ", \"apply_b_dec_to_input\": false", plain),
                new Kind("standard", ", \"normalize_activations\": \"expected_average_only_in\"", plain),
                new Kind("standard", ", \"normalize_activations\": \"constant_norm_rescale\"", plain),
                new Kind("standard", ", \"normalize_activations\": \"layer_norm\"", plain),
                new Kind(
                        "standard",
                        ", \"finetuning_scaling_factor\": true",
                        List.of("b_enc", "finetuning_scaling_factor")),
                new Kind("standard", ", \"finetuning_scaling_factor\": true", List.of("b_enc", "scaling_factor")),
                new Kind("standard", ", \"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 6}", plain),
                new Kind("jumprelu", "", jump),
                new Kind("jumprelu", "", List.of("b_enc", "log_threshold")),
                new Kind("topk", k, plain),
                new Kind("topk", k + ", \"rescale_acts_by_decoder_norm\": true", plain),
                new Kind("batchtopk", ", \"k\": 6.5", jump),
                new Kind("matryoshka", "", plain),
                new Kind("matryoshka_batchtopk", "", jump),
                new Kind("gated", "", List.of("r_mag", "b_mag", "b_gate")),
                new Kind("transcoder", "", plain),
                new Kind("transcoder", ", \"activation_fn\": \"topk\", \"activation_fn_kwargs\": {\"k\": 6}", plain),
                new Kind("jumprelu_transcoder", "", jump),
                new Kind("skip_transcoder", "", List.of("b_enc", "W_skip")),
                new Kind("jumprelu_skip_transcoder", "", List.of("b_enc", "threshold", "W_skip")));
    }

    static Stream<Arguments> kindsOnBackends() {
        return Stream.of("reference", "onnx", "pytorch")
                .flatMap(backend -> kinds().map(kind -> Arguments.of(backend, kind)));
    }

    private static Map<String, HostTensor> arrays(Kind kind) {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        shapes.put("W_enc", Shape.of(WIDTH, FEATURES));
        shapes.put("W_dec", Shape.of(FEATURES, WIDTH));
        shapes.put("b_dec", Shape.of(WIDTH));
        kind.arrays()
                .forEach(name -> shapes.put(name, name.equals("W_skip") ? Shape.of(WIDTH, WIDTH) : Shape.of(FEATURES)));
        Random random = new Random(20);
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        shapes.forEach((name, shape) -> {
            HostTensor array = HostTensor.allocate(DType.FLOAT32, shape);
            for (long i = 0; i < shape.elements(); i++) {
                double number = (shape.rank() == 2 ? 0.1 : 0.3) * random.nextGaussian();
                array.setDouble(i, name.equals("threshold") ? Math.abs(number) : number);
            }
            arrays.put(name, array);
        });
        return arrays;
    }

    private static Dictionary load(Path folder, Kind kind, Map<String, HostTensor> arrays) throws IOException {
        // Old and new spellings take turns.
        String out = kind.isTranscoder() ? ", \"hook_name_out\": \"" + MLP + "\"" : "";
        String hook = "\"hook_name\": \"" + (kind.isTranscoder() ? BEFORE_MLP : READS) + "\"" + out;
        boolean old = kind.settings().contains("_str");
        Files.writeString(
                folder.resolve("cfg.json"),
                "{\"architecture\": \"" + kind.architecture() + "\", \"d_in\": " + WIDTH + ", \"d_sae\": " + FEATURES
                        + kind.settings() + ", " + (old ? hook : "\"metadata\": {" + hook + "}") + "}");
        SafetensorsWriter writer = new SafetensorsWriter();
        arrays.forEach(writer::add);
        writer.write(folder.resolve("sae_weights.safetensors"));
        return Dictionary.load(folder.toString());
    }

    /** What a token's features and the output are, from the definitions. */
    private static double[][] byHand(Kind kind, Map<String, HostTensor> arrays, double[] read) {
        Map<String, double[]> a = new LinkedHashMap<>();
        arrays.forEach((name, array) -> a.put(name, array.toDoubleArray()));
        double[] x = read.clone();
        double mean = 0;
        double scale = 1;
        if (kind.has("constant_norm")) {
            double norm = 0;
            for (double number : x) {
                norm += number * number;
            }
            scale = Math.sqrt(norm / WIDTH);
            for (int i = 0; i < WIDTH; i++) {
                x[i] /= scale;
            }
        } else if (kind.has("layer_norm")) {
            for (double number : x) {
                mean += number / WIDTH;
            }
            double squares = 0;
            for (double number : x) {
                squares += (number - mean) * (number - mean);
            }
            scale = Math.sqrt(squares / (WIDTH - 1));
            for (int i = 0; i < WIDTH; i++) {
                x[i] = (x[i] - mean) / (scale + 1e-5);
            }
        }
        boolean subtracts = !kind.isTranscoder() && !kind.has("apply_b_dec_to_input");
        double[] features = new double[FEATURES];
        double[] norms = new double[FEATURES];
        for (int f = 0; f < FEATURES; f++) {
            double sum = 0;
            for (int i = 0; i < WIDTH; i++) {
                sum += (x[i] - (subtracts ? a.get("b_dec")[i] : 0)) * a.get("W_enc")[i * FEATURES + f];
                double d = a.get("W_dec")[f * WIDTH + i];
                norms[f] += d * d;
            }
            norms[f] = kind.has("rescale_acts") ? Math.sqrt(norms[f]) : 1;
            if (a.containsKey("b_gate")) {
                double magnitude = Math.max(0, Math.exp(a.get("r_mag")[f]) * sum + a.get("b_mag")[f]);
                features[f] = sum + a.get("b_gate")[f] > 0 ? magnitude : 0;
            } else {
                double pre = (sum + a.get("b_enc")[f]) * norms[f];
                double threshold = a.containsKey("log_threshold")
                        ? Math.exp(a.get("log_threshold")[f])
                        : a.containsKey("threshold") ? a.get("threshold")[f] : 0;
                features[f] = pre > threshold ? pre : 0;
            }
        }
        if (kind.has("\"k\": 6") && !kind.architecture().equals("batchtopk")) {
            double[] sorted = features.clone();
            Arrays.sort(sorted);
            for (int f = 0; f < FEATURES; f++) {
                features[f] = features[f] >= sorted[FEATURES - K] ? features[f] : 0;
            }
        }
        for (String factor : List.of("finetuning_scaling_factor", "scaling_factor")) {
            for (int f = 0; f < FEATURES && a.containsKey(factor); f++) {
                features[f] *= a.get(factor)[f];
            }
        }
        double[] output = new double[WIDTH];
        for (int i = 0; i < WIDTH; i++) {
            double sum = a.get("b_dec")[i];
            for (int f = 0; f < FEATURES; f++) {
                sum += features[f] / norms[f] * a.get("W_dec")[f * WIDTH + i];
            }
            for (int j = 0; j < WIDTH && a.containsKey("W_skip"); j++) {
                sum += a.get("W_skip")[i * WIDTH + j] * x[j];
            }
            output[i] = sum * scale + mean;
        }
        return new double[][] {features, output};
    }

    @ParameterizedTest
    @MethodSource("kindsOnBackends")
    void featuresAndOutputAreThoseOfPlainArithmetic(String backend, Kind kind, @TempDir Path folder)
            throws IOException {
        Map<String, HostTensor> arrays = arrays(kind);
        Dictionary dictionary = load(folder, kind, arrays);
        boolean wide = backend.equals("reference");
        DType dtype = wide ? DType.FLOAT64 : DType.FLOAT32;
        double[] numbers = new Random(4).doubles(3 * WIDTH, -2, 2).toArray();
        try (Backend open = Backends.open(backend, BackendOptions.DEFAULT);
                DictionaryTensors own = dictionary.on(open, dtype)) {
            Tensor read = new TensorFactory(open).of(numbers, 1, 3, WIDTH).to(dtype);
            double[] features = own.encode(read).toDoubleArray();
            double[] output = own.reconstruct(read).toDoubleArray();
            int active = 0;
            for (int token = 0; token < 3; token++) {
                double[][] expected =
                        byHand(kind, arrays, Arrays.copyOfRange(numbers, token * WIDTH, (token + 1) * WIDTH));
                for (int f = 0; f < FEATURES; f++) {
                    assertThat(features[token * FEATURES + f])
                            .as("feature %d", f)
                            .isCloseTo(expected[0][f], within(wide ? 1e-9 : 1e-4));
                    active += expected[0][f] == 0 ? 0 : 1;
                }
                for (int i = 0; i < WIDTH; i++) {
                    assertThat(output[token * WIDTH + i]).isCloseTo(expected[1][i], within(wide ? 1e-9 : 1e-4));
                }
            }
            assertThat(active).isBetween(3, 3 * FEATURES - 1);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void insideAModelDerivativesAndTheErrorTermAreRight(Kind kind, @TempDir Path folder) throws IOException {
        Dictionary dictionary = load(folder, kind, arrays(kind));
        SplicedDictionary spliced = dictionary.spliced();
        HookedTransformer model = Objects.requireNonNull(toy);
        try (HookedTransformer with = model.with(spliced);
                HookedTransformer whole = model.with(spliced.withErrorTerm())) {
            Tokens tokens = model.toTokens("Mary and John");
            ActivationCache plain = model.runWithCache(tokens).cache();
            ActivationCache found = whole.runWithCache(tokens).cache();
            plain.items().forEach((name, value) -> {
                if (!name.endsWith("scores")) {
                    double largest = value.abs().max().item();
                    assertThat(value.maxAbsDifference(found.get(name)))
                            .as(name)
                            .isLessThanOrEqualTo(Math.max(largest, 1e-3) * 1e-12);
                }
            });
            String input = spliced.point("hook_sae_input");
            Metric metric = Metric.logitDifference(5, 9);
            GradientCache gradients = with.gradients(tokens, metric, HookFilter.names(input, spliced.features()));
            Tensor gradient = gradients.get(input);
            Tensor direction =
                    model.tensors().randn(7, gradient.shape().toArray()).to(model.dtype());
            double step = 1e-6;
            double slope = (difference(with, tokens, input, direction.mul(step))
                            - difference(with, tokens, input, direction.mul(-step)))
                    / (2 * step);
            double expected = gradient.mul(direction).sum().item();
            assertThat(slope).isCloseTo(expected, within(1e-5 * Math.max(1, Math.abs(expected))));
            assertThat(gradients.get(spliced.features()).abs().max().item()).isPositive();
        }
    }

    private static double difference(HookedTransformer with, Tokens tokens, String input, Tensor shift) {
        Tensor logits = with.runWith(tokens, Intervention.add(input, shift));
        return logits.item(0, -1, 5) - logits.item(0, -1, 9);
    }
}
