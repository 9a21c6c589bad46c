package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class VjpTest {
    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    @TestFactory
    Stream<DynamicTest> derivativesAreThoseOfCentralDifferences() {
        Map<String, List<OpCase>> cases = GradientCases.of(DType.FLOAT64, new SplittableRandom(5));
        return cases.entrySet().stream().map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
            for (OpCase one : e.getValue()) {
                check(one);
            }
        }));
    }

    private static void check(OpCase one) {
        GradientCheck check = GradientCheck.of(one, new Inputs(new SplittableRandom(3), DType.FLOAT64));
        List<HostTensor> found = check.gradients(backend, DType.FLOAT64);
        for (int i = 0; i < check.inputs().size(); i++) {
            int input = check.inputs().get(i);
            HostTensor x = one.inputs().get(input);
            for (int at = 0; at < x.shape().elements(); at++) {
                double h = 1e-5;
                HostTensor up = HostTensor.allocate(DType.FLOAT64, x.shape());
                HostTensor down = HostTensor.allocate(DType.FLOAT64, x.shape());
                for (int j = 0; j < x.shape().elements(); j++) {
                    up.setDouble(j, x.getDouble(j) + (j == at ? h : 0));
                    down.setDouble(j, x.getDouble(j) - (j == at ? h : 0));
                }
                double expected = (check.scalar(backend, input, up) - check.scalar(backend, input, down)) / (2 * h);
                assertThat(found.get(i).getDouble(at))
                        .as(one.describe() + " input " + input + " at " + at)
                        .isCloseTo(expected, org.assertj.core.data.Offset.offset(1e-6 * (1 + Math.abs(expected))));
            }
        }
    }
}
