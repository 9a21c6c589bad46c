package dev.loupe.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.IntConsumer;

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

    private static final int TURNS = 15;
    private static final int WARMUP = 5;
    private static final int TOKENS = 16;
    private static final int THREADS = 2;

    private SpeedCosts() {}

    /** Runs it. */
    public static void main(String[] arguments) throws IOException {
        String backend = arguments[0];
        DType dtype = DType.parse(arguments[1]);
        String size = arguments[2];
        int layers = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 0;
        List<String> cases = arguments.length > 4
                ? Arrays.asList(arguments).subList(4, arguments.length)
                : List.of("1x64", "8x64", "1x512", "decoding");
        LoadOptions options =
                LoadOptions.noProcessing().withBackend(backend).withDType(dtype).withThreads(THREADS);
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

    private static void measure(HookedTransformer model, String name, List<Shape> matrices, IntConsumer products) {
        if (name.equals("decoding")) {
            decoding(model, matrices, products);
            return;
        }
        int batch = Integer.parseInt(name.substring(0, name.indexOf('x')));
        int positions = Integer.parseInt(name.substring(name.indexOf('x') + 1));
        Tokens tokens = tokens(model, batch, positions);
        Times forward = new Times();
        Times alone = new Times();
        for (int turn = 0; turn < WARMUP + TURNS; turn++) {
            forward.add(1, () -> model.forward(tokens).close());
            alone.add(1, () -> products.accept(batch * positions));
        }
        System.out.printf(
                Locale.ROOT,
                "%s %s %s: forward %s, products alone %s: %s times%n",
                model.backend().id(),
                model.options().dtype(),
                name,
                forward,
                alone,
                forward.over(alone));
    }

    private static void decoding(HookedTransformer model, List<Shape> matrices, IntConsumer products) {
        long bytes = matrices.stream().mapToLong(Shape::elements).sum()
                * model.options().dtype().bytes();
        Tokens prompt = tokens(model, 1, 32);
        Times tokens = new Times();
        Times alone = new Times();
        Times once = new Times();
        try (Reading reading = new Reading()) {
            for (int turn = 0; turn < WARMUP + TURNS; turn++) {
                try (Generation generation = model.stream(prompt, GenerateOptions.greedy(TOKENS + 1))) {
                    generation.next();
                    tokens.add(TOKENS, () -> generation.forEachRemaining(token -> {}));
                }
                alone.add(TOKENS, () -> {
                    for (int i = 0; i < TOKENS; i++) {
                        products.accept(1);
                    }
                });
                once.add(Reading.BYTES / (double) bytes, reading::run);
            }
        }
        System.out.printf(
                Locale.ROOT,
                "%s %s decoding: %s a token, products alone %s: %s times; reading %d MB of weights once %s: %s times%n",
                model.backend().id(),
                model.options().dtype(),
                tokens,
                alone,
                tokens.over(alone),
                bytes / ProcessMemory.MEGABYTE,
                once,
                tokens.over(once));
    }

    /**
     * What some work took, by the clock and of all processors together: the latter is what counts where others want the
     * processors, too.
     */
    private static final class Times {
        private static final OperatingSystemMXBean SYSTEM =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

        private final List<Double> clock = new ArrayList<>();
        private final List<Double> processors = new ArrayList<>();

        void add(double pieces, Runnable work) {
            long start = System.nanoTime();
            long used = SYSTEM.getProcessCpuTime();
            work.run();
            processors.add((SYSTEM.getProcessCpuTime() - used) / 1e6 / pieces);
            clock.add((System.nanoTime() - start) / 1e6 / pieces);
        }

        // Without the first, which prepare and are compiled meanwhile.
        private static double median(List<Double> times) {
            return times.stream().skip(WARMUP).sorted().toList().get(TURNS / 2);
        }

        String over(Times other) {
            return String.format(
                    Locale.ROOT,
                    "%.2f (processors: %.2f)",
                    median(clock) / median(other.clock),
                    median(processors) / median(other.processors));
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%.1f ms (processors: %.1f)", median(clock), median(processors));
        }
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
