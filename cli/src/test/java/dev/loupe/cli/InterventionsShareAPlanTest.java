package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.graph.Axis;
import dev.loupe.graph.GraphFunction;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** It stands here because the command line has all backends on its class path. */
class InterventionsShareAPlanTest {

    private static final int RUNS = 300;
    private static final long SEED = 4;

    private final AtomicInteger prepared = new AtomicInteger();
    private final AtomicInteger planned = new AtomicInteger();

    /** A backend that counts what it is asked to prepare. */
    private Backend counting(Backend real) {
        return (Backend) Proxy.newProxyInstance(
                Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("prepare")) {
                        prepared.incrementAndGet();
                    }
                    try {
                        return method.invoke(real, arguments);
                    } catch (InvocationTargetException e) {
                        throw Objects.requireNonNull(e.getCause());
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"onnx", "pytorch", "reference"})
    void threeHundredNumbersAndSelectionsHaveOnePlanAndArePreparedOnce(String id) {
        // A plan is made by splicing: whoever is spliced in counts plans.
        GraphFunction countsPlans = (activation, scope) -> {
            planned.incrementAndGet();
            return activation.mul(1);
        };
        SplittableRandom random = new SplittableRandom(SEED);
        try (Backend real = Backends.open(id, BackendOptions.DEFAULT.withThreads(1));
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), counting(real))) {
            Tokens tokens = model.toTokens(List.of("The capital of France is", "I think that"));
            int width = model.config().dModel();
            int preparedFirst = 0;
            double before = Double.NaN;
            for (int run = 0; run < RUNS; run++) {
                long position = random.nextInt(tokens.positions());
                double number = random.nextDouble(0.5, 2);
                Tensor vector = model.tensors().randn(random.nextLong(), width);
                try (Tensor logits = model.runWith(
                        tokens,
                        Intervention.function("post0", countsPlans),
                        Intervention.scale("z", 1, number).heads(run % 4, random.nextInt(4)),
                        Intervention.add("resid_post", 0, vector).positionOfEachRow(position, run % 3),
                        Intervention.set("resid_mid1", vector).positions(position),
                        Intervention.add("mlp_out", 2, vector).lastReal(),
                        Intervention.scale("pattern2", number)
                                .where(Selection.Which.KEY, new Selection.Range(0, 1 + position, 1)),
                        Intervention.mean("mlp_out3", Axis.POS).indices(run % width),
                        Intervention.projectOut("resid_post2", vector).rows(run % 2))) {
                    double now = logits.get(1, 2, 5).item();
                    assertThat(Math.abs(now - before))
                            .as("seed %d, run %d: what the numbers change", SEED, run)
                            .isNotZero();
                    before = now;
                }
                preparedFirst = run == 0 ? prepared.get() : preparedFirst;
            }
            assertThat(planned).as("plans").hasValue(1);
            assertThat(prepared).as("prepared segments").hasValue(preparedFirst);
        }
    }
}
