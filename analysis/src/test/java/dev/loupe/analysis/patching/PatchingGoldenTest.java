package dev.loupe.analysis.patching;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PatchingGoldenTest {

    static List<String> fixtures() {
        return Fixtures.names();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void sweepsAreThoseOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            Metric metric = Metric.logitDifference(5, 9);
            ActivationPatching patching = ActivationPatching.of(
                    golden.model(),
                    golden.tokens("proc.patch.corrupted_tokens"),
                    golden.run().cache(),
                    metric);
            List<Sweep> sweeps = Arrays.stream(Sweep.values())
                    .filter(sweep -> golden.has("proc.patch." + sweep.id()))
                    .toList();
            assertThat(sweeps).hasSize(10);
            for (Sweep sweep : sweeps) {
                Tensor expected = golden.tensor("proc.patch." + sweep.id());
                Tensor found = patching.run(sweep).values();
                assertThat(found.shape()).as(sweep.id()).isEqualTo(expected.shape());
                assertThat(found.maxAbsDifference(expected)).as(sweep.id()).isLessThan(Golden.TOLERANCE);
            }
        }
    }
}
