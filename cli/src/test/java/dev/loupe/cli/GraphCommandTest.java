package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class GraphCommandTest {

    @Test
    void theGraphOfARunIsPrintedWithoutWhatNobodyAskedFor() {
        Cli kept = Cli.run("graph", "--backend", "reference");
        assertThat(kept.exitCode()).as(kept.err()).isZero();
        assertThat(kept.out()).contains("blocks.0", "logits").doesNotContain("residual", "shortcuts:");

        Cli given = Cli.run("graph", "--backend", "reference", "--after", "given");
        assertThat(given.exitCode()).as(given.err()).isZero();
        assertThat(given.out()).contains("shortcuts:");
        assertThat(given.out().lines().count()).isGreaterThan(kept.out().lines().count());
    }

    @Test
    void anInterventionIsInTheGraphAfterTheSplice() {
        String change = "blocks.2.attn.hook_z[:, :, 1] = 0";
        Cli before = Cli.run("graph", "--backend", "reference", "--after", "feed", "--intervene", change);
        Cli after = Cli.run("graph", "--backend", "reference", "--after", "splice", "--intervene", change);
        assertThat(after.exitCode()).as(after.err()).isZero();
        assertThat(after.out().lines().count())
                .isGreaterThan(before.out().lines().count());
    }

    @Test
    void derivativesAddStepsAndABackwardPart() {
        Cli kept = Cli.run("graph", "--backend", "reference", "--of", "logit:5", "--names", "blocks.1.hook_resid_pre");
        assertThat(kept.exitCode()).as(kept.err()).isZero();
        assertThat(kept.out()).contains("SoftmaxGradient");
    }

    @Test
    void aStepThatTheRunDoesNotHaveIsNamedWithThoseThatItHas() {
        Cli wrong = Cli.run("graph", "--backend", "reference", "--after", "splyce");
        assertThat(wrong.exitCode()).isEqualTo(2);
        assertThat(wrong.err())
                .contains("'splyce'", "given, feed, splice, shortcuts, keep", "nearest name is 'splice'");
    }

    @Test
    void aStepOfDerivativesAsksWhatIsDifferentiated() {
        for (String step : new String[] {"measure", "differentiate"}) {
            Cli plain = Cli.run("graph", "--backend", "reference", "--after", step);
            assertThat(plain.exitCode()).isEqualTo(2);
            assertThat(plain.err()).contains("'" + step + "'", "--of logit:5").doesNotContain("nearest");
        }
        Cli measured = Cli.run("graph", "--backend", "reference", "--after", "measure", "--of", "logit:5");
        assertThat(measured.exitCode()).as(measured.err()).isZero();
    }
}
