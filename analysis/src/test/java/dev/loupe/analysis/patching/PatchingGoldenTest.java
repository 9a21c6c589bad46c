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
            Double cap = golden.model().config().logitSoftCap();
            LogitMetric metric =
                    cap == null ? LogitMetric.logitDifference(5, 9) : logits -> difference(centred(logits, cap));
            ActivationPatching patching = ActivationPatching.of(
                    golden.model(),
                    golden.tokens("proc.patch.corrupted_tokens"),
                    golden.run().cache(),
                    metric);
            List<Sweep> sweeps = Arrays.stream(Sweep.values())
                    .filter(sweep -> golden.has("proc.patch." + sweep.id()))
                    .toList();
            boolean between = golden.model().hookNames().has("blocks.0.hook_resid_mid");
            assertThat(sweeps).hasSize(between ? 10 : 9);
            for (Sweep sweep : sweeps) {
                Tensor expected = golden.tensor("proc.patch." + sweep.id());
                Tensor found = patching.run(sweep).values();
                assertThat(found.shape()).as(sweep.id()).isEqualTo(expected.shape());
                assertThat(found.maxAbsDifference(expected)).as(sweep.id()).isLessThan(Golden.TOLERANCE);
            }
        }
    }

    /** The goldens' logits: centred before the cap, which makes no difference but under a cap. */
    private static Tensor centred(Tensor logits, double cap) {
        Tensor part = logits.div(cap);
        Tensor plain = part.add(1).div(part.neg().add(1)).log().mul(cap / 2);
        return plain.sub(plain.mean(-1).unsqueeze(-1)).div(cap).tanh().mul(cap);
    }

    private static double difference(Tensor logits) {
        Tensor last = logits.select(1, -1);
        return last.pick(-1, 5).sub(last.pick(-1, 9)).mean().item();
    }
}
