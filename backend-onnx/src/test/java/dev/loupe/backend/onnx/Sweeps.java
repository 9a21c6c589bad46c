package dev.loupe.backend.onnx;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What several tests need: models, edits that are known, and what runs give. */
final class Sweeps {

    /** Absolute, in float32. */
    static final double TOLERANCE = 1e-4;

    private static final int PAST = 7;
    private static final String LOGITS = "logits";

    private Sweeps() {}

    static HookedTransformer load(String fixture, LoadOptions options, Backend backend) {
        return HookedTransformer.fromPretrained(Fixtures.directory(fixture).toString(), options, backend);
    }

    /** A prompt of two rows of different lengths; without padding if it is to be continued. */
    static Tokens prompt(HookedTransformer model, boolean padded) {
        long[] first = new long[11];
        long[] second = new long[padded ? 8 : 11];
        for (int i = 0; i < first.length; i++) {
            first[i] = (31L * i + 5) % model.config().dVocab();
        }
        for (int i = 0; i < second.length; i++) {
            second[i] = (17L * i + 3) % model.config().dVocab();
        }
        return Tokens.pad(List.of(first, second), 0, false);
    }

    /** Halves an activation and adds numbers that depend on where they are added. */
    static Hook edit(String point) {
        return Hook.at(point, (activation, where) -> {
            boolean divides = point.endsWith("hook_scale");
            try (Tensor half = activation.mul(0.5);
                    Tensor more = activation.factory().of(waves(activation.shape(), activation.dtype(), divides))) {
                return half.add(more);
            }
        });
    }

    private static HostTensor waves(Shape shape, DType dtype, boolean positive) {
        HostTensor waves = HostTensor.allocate(dtype, shape);
        for (int i = 0; i < shape.elements(); i++) {
            waves.setDouble(i, 0.4 * Math.sin(1 + 0.7 * i) + (positive ? 0.6 : 0));
        }
        return waves;
    }

    /** The logits of the prompt, and every value that is observed. */
    static Map<String, HostTensor> run(HookedTransformer model, HookFilter observed, Hook... hooks) {
        return values(
                model, RunRequest.of(prompt(model, true)).observe(observed).hooks(hooks));
    }

    /** The same for the end of the prompt, whose beginning has been run, so that its keys and values are kept. */
    static Map<String, HostTensor> continued(HookedTransformer model, HookFilter observed, Hook... hooks) {
        Tokens tokens = prompt(model, false);
        try (KeyValueCache cache = model.newKeyValueCache(tokens.batch())) {
            model.run(RunRequest.of(part(tokens, 0, PAST)).keyValueCache(cache).build())
                    .close();
            return values(
                    model,
                    RunRequest.of(part(tokens, PAST, tokens.positions()))
                            .keyValueCache(cache)
                            .observe(observed)
                            .hooks(hooks));
        }
    }

    private static Tokens part(Tokens tokens, int from, int to) {
        long[][] rows = new long[tokens.batch()][];
        for (int row = 0; row < rows.length; row++) {
            rows[row] = Arrays.copyOfRange(tokens.row(row), from, to);
        }
        return Tokens.of(rows);
    }

    private static Map<String, HostTensor> values(HookedTransformer model, RunRequest.Builder request) {
        try (RunResult result = model.run(request.build())) {
            Map<String, HostTensor> values = new LinkedHashMap<>();
            result.cache().items().forEach((name, tensor) -> values.put(name, tensor.toHost()));
            values.put(LOGITS, result.logits().toHost());
            return values;
        }
    }

    /** Throws unless two runs gave the same names and, within the tolerance, the same values. */
    static void assertAgree(String what, Map<String, HostTensor> found, Map<String, HostTensor> expected) {
        if (!found.keySet().equals(expected.keySet())) {
            throw new AssertionError(what + ": found " + found.keySet() + ", expected " + expected.keySet());
        }
        found.forEach((name, value) -> {
            HostTensor truth = expected.get(name);
            if (truth == null || !value.shape().equals(truth.shape())) {
                throw new AssertionError(what + ": found " + name + " as " + value + ", expected " + truth);
            }
            for (int i = 0; i < value.shape().elements(); i++) {
                if (!(difference(value.getDouble(i), truth.getDouble(i)) <= TOLERANCE)) {
                    throw new AssertionError(what + ": " + name + " at " + i + " of " + value.shape() + " is "
                            + value.getDouble(i) + ", expected " + truth.getDouble(i));
                }
            }
        });
    }

    /** How far the logits of two runs are from each other. */
    static double effect(Map<String, HostTensor> one, Map<String, HostTensor> other) {
        double most = 0;
        HostTensor logits = one.getOrDefault(LOGITS, HostTensor.allocate(DType.FLOAT32, Shape.of(0)));
        HostTensor others = other.getOrDefault(LOGITS, logits);
        for (int i = 0; i < logits.shape().elements(); i++) {
            most = Math.max(most, difference(logits.getDouble(i), others.getDouble(i)));
        }
        return most;
    }

    /** The distance of two numbers; 0 for the same infinity. */
    static double difference(double a, double b) {
        return a == b ? 0 : Math.abs(a - b);
    }
}
