package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Runs models, takes out what they saw, and compares. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Traces {

    /** The name under which logits stand among the values of a run. */
    public static final String LOGITS = "logits";

    private Traces() {}

    /** How a prompt is run. */
    public enum Way {
        /** A batch whose shorter rows are padded on the right. */
        PADDED_RIGHT,
        /** The same, padded on the left. */
        PADDED_LEFT,
        /** The second part of a left-padded prompt, with keys and values of the first. */
        CACHED
    }

    /** A batch of three random rows of different lengths. */
    public static Tokens tokens(HookedTransformer model, SplittableRandom random, boolean left) {
        int vocabulary = model.config().dVocab();
        int longest = Math.min(7, model.config().nCtx());
        List<long[]> rows = List.of(
                row(random, longest, vocabulary), row(random, longest - 2, vocabulary), row(random, 4, vocabulary));
        return Tokens.pad(rows, 0, left);
    }

    private static long[] row(SplittableRandom random, int length, int vocabulary) {
        long[] row = new long[length];
        for (int i = 0; i < length; i++) {
            row[i] = random.nextInt(vocabulary);
        }
        return row;
    }

    /** Runs a prompt and gives back the logits and every value observed, in the order of the model. */
    public static Trace run(
            HookedTransformer model, Tokens tokens, Way way, HookFilter observed, List<? extends Edit> hooks) {
        if (way != Way.CACHED) {
            return values(model, RunRequest.of(tokens).observe(observed).hooks(hooks));
        }
        int first = tokens.positions() - 3;
        try (KeyValueCache cache = model.newKeyValueCache(tokens.batch())) {
            RunRequest before =
                    RunRequest.of(part(tokens, 0, first)).keyValueCache(cache).build();
            model.run(before).close();
            RunRequest.Builder after = RunRequest.of(part(tokens, first, tokens.positions()))
                    .keyValueCache(cache)
                    .observe(observed)
                    .hooks(hooks);
            return values(model, after);
        }
    }

    /** Some positions of a batch. */
    public static Tokens part(Tokens tokens, int from, int to) {
        long[][] ids = new long[tokens.batch()][];
        boolean[][] mask = new boolean[tokens.batch()][];
        for (int row = 0; row < ids.length; row++) {
            ids[row] = java.util.Arrays.copyOfRange(tokens.row(row), from, to);
            mask[row] = java.util.Arrays.copyOfRange(tokens.mask()[row], from, to);
        }
        return Tokens.of(ids, mask);
    }

    private static Trace values(HookedTransformer model, RunRequest.Builder request) {
        try (RunResult result = model.run(request.build())) {
            Map<String, HostTensor> values = new LinkedHashMap<>();
            result.cache().items().forEach((name, tensor) -> values.put(name, tensor.toHost()));
            values.put(LOGITS, result.logits().toHost());
            return new Trace(values);
        }
    }

    /** Throws unless two runs have the same names and, within the tolerance of models, the same values. */
    public static void compare(
            HookedTransformer model, Trace found, Trace expected, int allowance, Measurements report) {
        if (!found.names().equals(expected.names())) {
            throw new AssertionError("the run gave " + found.names() + ", expected " + expected.names());
        }
        found.forEach((name, value) -> {
            int blocks = allowance * blocksBefore(name, model.config().nLayers());
            ModelTolerance.check(name, value, expected.get(name), blocks, report, name);
        });
    }

    /** How many blocks lie before a value, the embedding counted as one. */
    public static int blocksBefore(String name, int layers) {
        int layer = HookPoint.of(name).layer();
        if (layer >= 0) {
            return layer + 2;
        }
        return name.startsWith("ln_final") || name.startsWith("unembed") || name.equals(LOGITS) ? layers + 2 : 1;
    }

    /**
     * Adds noise to an activation: numbers that no norm or softmax takes back, the same on every backend.
     *
     * @param seed what the noise comes from
     */
    static Tensor disturbed(Tensor activation, HookPoint point, long seed) {
        SplittableRandom random = new SplittableRandom(seed * 31 + point.name().hashCode());
        HostTensor noise = HostTensor.allocate(DType.FLOAT32, activation.shape());
        // What divides, a norm's scale, stays positive.
        boolean divisor = point.axes().contains(Axis.SINGLE);
        for (int i = 0; i < noise.shape().elements(); i++) {
            double size = 0.2 + 0.3 * random.nextDouble();
            noise.setDouble(i, divisor || random.nextBoolean() ? size : -size);
        }
        return activation.add(activation.factory().of(noise.to(activation.dtype())));
    }

    /** A hook that disturbs one point. */
    public static Hook disturbing(String point, long seed) {
        return Hook.at(point, (activation, where) -> disturbed(activation, where, seed));
    }

    /** The largest difference between two values, as a multiple of the largest number in the first. */
    public static double effect(HostTensor plain, HostTensor edited) {
        double largest = 0;
        double difference = 0;
        for (int i = 0; i < plain.shape().elements(); i++) {
            double before = plain.getDouble(i);
            double after = edited.getDouble(i);
            if (Double.isFinite(before) && Double.isFinite(after)) {
                largest = Math.max(largest, Math.abs(before));
                difference = Math.max(difference, Math.abs(after - before));
            }
        }
        return largest == 0 ? difference : difference / largest;
    }
}
