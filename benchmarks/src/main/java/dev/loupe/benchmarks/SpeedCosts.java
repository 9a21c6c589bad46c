package dev.loupe.benchmarks;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * How much longer a model takes than the products of its matrices alone, and decoding than reading its weights once:
 * the two take turns, and the ratio of the medians counts. Products are bare libtorch's for {@code pytorch}, those of
 * the engine by itself for others.
 *
 * <p>Arguments: {@code BACKEND DTYPE SIZE [LAYERS [CASE...]]}: {@code gpt2} for GPT-2-small's size, or a size of {@link
 * RandomLlama}; with fewer layers than the model has the time of a layer is the same and the memory less. Cases are
 * {@code 1x64}, {@code 8x64}, {@code 1x512} and {@code decoding}. Set the environment variable {@code
 * OMP_WAIT_POLICY=PASSIVE}.
 */
public final class SpeedCosts {

    private static final int TURNS = 9;
    private static final int TOKENS = 16;
    private static final int THREADS = 2;

    private SpeedCosts() {}

    private interface Work {
        void run();
    }

    /** Runs it. */
    public static void main(String[] arguments) throws IOException {
        String backend = arguments[0];
        DType dtype = DType.parse(arguments[1]);
        String size = arguments[2];
        int layers = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 0;
        List<String> cases = arguments.length > 4
                ? Arrays.asList(arguments).subList(4, arguments.length)
                : List.of("1x64", "8x64", "1x512", "decoding");
        LoadOptions options = LoadOptions.noProcessing()
                .withBackend(backend)
                .withDType(dtype)
                .withThreads(THREADS);
        if (size.equals("gpt2")) {
            try (HookedTransformer model = Gpt2Small.model(backend, THREADS)) {
                measure(model, gpt2(), cases);
            }
            return;
        }
        Path folder = Files.createTempDirectory("loupe-speed");
        RandomLlama llama = layers == 0
                ? RandomLlama.of(RandomLlama.Size.parse(size))
                : new RandomLlama(RandomLlama.Size.parse(size), layers);
        try {
            llama.write(folder, dtype);
            try (HookedTransformer model = HookedTransformer.fromPretrained(folder.toString(), options)) {
                measure(model, llama.matrices(), cases);
            }
        } finally {
            RandomLlama.delete(folder);
        }
    }

    private static List<Shape> gpt2() {
        List<Shape> matrices = new ArrayList<>();
        for (int layer = 0; layer < 12; layer++) {
            for (int i = 0; i < 4; i++) {
                matrices.add(Shape.of(768, 768));
            }
            matrices.add(Shape.of(3072, 768));
            matrices.add(Shape.of(768, 3072));
        }
        matrices.add(Shape.of(50257, 768));
        return matrices;
    }

    private static void measure(HookedTransformer model, List<Shape> matrices, List<String> cases) {
        String backend = model.backend().id();
        if (backend.equals("pytorch")) {
            try (TorchProducts products = new TorchProducts(model.options().dtype(), matrices)) {
                cases.forEach(name -> measure(model, name, matrices, products::run));
            }
        } else {
            try (Products products = new Products(model.backend(), model.dtype(), matrices)) {
                cases.forEach(name -> measure(model, name, matrices, products::run));
            }
        }
    }

    private static void measure(
            HookedTransformer model, String name, List<Shape> matrices, java.util.function.IntConsumer products) {
        if (name.equals("decoding")) {
            decoding(model, matrices, products);
            return;
        }
        int batch = Integer.parseInt(name.substring(0, name.indexOf('x')));
        int positions = Integer.parseInt(name.substring(name.indexOf('x') + 1));
        Tokens tokens = tokens(model, batch, positions);
        double[] medians = inTurns(() -> model.forward(tokens).close(), () -> products.accept(batch * positions));
        System.out.printf(
                Locale.ROOT,
                "%s %s %s: forward %.1f ms, products alone %.1f ms: %.2f times%n",
                model.backend().id(),
                model.options().dtype(),
                name,
                medians[0],
                medians[1],
                medians[0] / medians[1]);
    }

    private static void decoding(
            HookedTransformer model, List<Shape> matrices, java.util.function.IntConsumer products) {
        long bytes = matrices.stream().mapToLong(Shape::elements).sum()
                * model.options().dtype().bytes();
        Tokens prompt = tokens(model, 1, 32);
        try (Reading reading = new Reading()) {
            double[] medians = new double[3];
            List<List<Double>> times = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
            for (int turn = 0; turn <= TURNS; turn++) {
                try (Generation generation = model.stream(prompt, GenerateOptions.greedy(TOKENS + 1))) {
                    generation.next();
                    times.get(0).add(time(() -> generation.forEachRemaining(token -> {})) / TOKENS);
                }
                times.get(1)
                        .add(time(() -> {
                                    for (int i = 0; i < TOKENS; i++) {
                                        products.accept(1);
                                    }
                                })
                                / TOKENS);
                times.get(2).add(reading.millis(bytes));
            }
            for (int i = 0; i < medians.length; i++) {
                medians[i] = median(times.get(i));
            }
            System.out.printf(
                    Locale.ROOT,
                    "%s %s decoding: %.1f ms a token, products alone %.1f ms: %.2f times; reading %d MB of weights once"
                            + " %.1f ms: %.2f times%n",
                    model.backend().id(),
                    model.options().dtype(),
                    medians[0],
                    medians[1],
                    medians[0] / medians[1],
                    bytes / ProcessMemory.MEGABYTE,
                    medians[2],
                    medians[0] / medians[2]);
        }
    }

    private static double[] inTurns(Work one, Work other) {
        List<Double> first = new ArrayList<>();
        List<Double> second = new ArrayList<>();
        for (int turn = 0; turn <= TURNS; turn++) {
            first.add(time(one));
            second.add(time(other));
        }
        return new double[] {median(first), median(second)};
    }

    private static double time(Work work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e6;
    }

    // Without the first, which prepares.
    private static double median(List<Double> times) {
        return times.stream().skip(1).sorted().toList().get(TURNS / 2);
    }

    private static Tokens tokens(HookedTransformer model, int batch, int positions) {
        Random random = new Random(positions);
        long[][] ids = new long[batch][positions];
        for (long[] row : ids) {
            Arrays.setAll(row, i -> random.nextInt(model.config().dVocab()));
        }
        return Tokens.of(ids);
    }
}
