package dev.loupe.analysis.attribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attributions against those that an independent implementation computes on autograd. */
class AttributionTest {

    private static final Metric DIFFERENCE = Metric.logitDifference(5, 9);

    private static HookedTransformer load(String fixture, DType dtype) {
        return HookedTransformer.fromPretrained(
                Fixtures.directory(fixture).toString(),
                LoadOptions.defaults().withBackend("reference").withDType(dtype));
    }

    private static Tokens tokens(String fixture, String file, String name) {
        try (SafetensorsFile stored =
                SafetensorsFile.open(Fixtures.directory(fixture).resolve(file))) {
            HostTensor ids = stored.read(name);
            int columns = (int) ids.shape().size(1);
            long[] flat = ids.toLongArray();
            long[][] rows = new long[(int) ids.shape().size(0)][];
            for (int row = 0; row < rows.length; row++) {
                rows[row] = java.util.Arrays.copyOfRange(flat, row * columns, (row + 1) * columns);
            }
            return Tokens.of(rows);
        }
    }

    private static void agrees(SafetensorsFile golden, String name, Tensor found) {
        double[] expected = golden.read(name).toDoubleArray();
        double[] numbers = found.toDoubleArray();
        assertThat(numbers).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < numbers.length; i++) {
            assertThat(numbers[i])
                    .as("%s at %d", name, i)
                    .isCloseTo(expected[i], within(1e-5 + 1e-4 * Math.abs(expected[i])));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {Fixtures.GPT2, Fixtures.LLAMA, Fixtures.MISTRAL, Fixtures.NEOX, Fixtures.QWEN3, Fixtures.GEMMA3})
    void nodesAreThoseOfTheGoldens(String fixture) {
        Tokens clean = tokens(fixture, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(fixture, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(fixture, DType.FLOAT32);
                SafetensorsFile golden =
                        SafetensorsFile.open(Fixtures.directory(fixture).resolve("gradients.safetensors"))) {
            AttributionPatching nodes = AttributionPatching.of(model, clean, corrupted, DIFFERENCE);
            List<String> names = golden.names().stream()
                    .filter(name -> name.startsWith("attribution."))
                    .toList();
            assertThat(names).isNotEmpty();
            for (String name : names) {
                agrees(golden, name, nodes.scores(name.substring("attribution.".length())));
            }
        }
    }

    @Test
    void edgesAreThoseOfTheGoldens() {
        Tokens clean = tokens(Fixtures.GPT2, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(Fixtures.GPT2, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(Fixtures.GPT2, DType.FLOAT32);
                SafetensorsFile golden =
                        SafetensorsFile.open(Fixtures.directory(Fixtures.GPT2).resolve("gradients.safetensors"))) {
            EdgeAttribution edges = EdgeAttribution.of(model, clean, corrupted, DIFFERENCE);
            // The goldens have numbers for pairs too in which the reader comes before the writer.
            double[] expected = golden.read("edges").toDoubleArray();
            double[] found = edges.scores().toDoubleArray();
            assertThat(found).hasSameSizeAs(expected);
            int count = 0;
            for (int i = 0; i < found.length; i++) {
                if (found[i] != 0) {
                    count++;
                    assertThat(found[i])
                            .as("edge %d", i)
                            .isCloseTo(expected[i], within(1e-5 + 1e-4 * Math.abs(expected[i])));
                }
            }
            // The input to all 31; of each layer the heads to what is behind them, and its MLP to the layers behind:
            // 172, of
            // which a few are zero because both prompts end in the same tokens.
            assertThat(count).isBetween(160, 31 + 3 * (22 + 12 + 2) + (21 + 11 + 1));
            assertThat(edges.writers()).startsWith("input", "a0.h0").endsWith("m2");
            assertThat(edges.readers()).startsWith("a0.h0<q>").endsWith("m2", "logits");
            List<EdgeAttribution.Edge> top = edges.top(5);
            assertThat(Math.abs(top.get(0).score()))
                    .isGreaterThanOrEqualTo(Math.abs(top.get(4).score()));
            assertThat(edges.toDot(5)).contains("digraph").contains(top.get(0).writer());
        }
    }

    @Test
    void whatAllWritersTellTheLogitsIsTheEffectOnTheLastResidual() {
        Tokens clean = tokens(Fixtures.GEMMA2, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(Fixtures.GEMMA2, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(Fixtures.GEMMA2, DType.FLOAT64)) {
            EdgeAttribution edges = EdgeAttribution.of(model, clean, corrupted, DIFFERENCE);
            AttributionPatching nodes = AttributionPatching.of(model, clean, corrupted, DIFFERENCE);
            // Biases are the same in both runs, so that the parts' differences add up, norms behind them included.
            double all =
                    edges.scores().select(1, edges.readers().size() - 1).sum().item();
            assertThat(all).isCloseTo(nodes.effects("resid_post3").sum().item(), within(1e-9));
        }
    }

    @Test
    void integratedGradientsAddUpToTheDifferenceOfTheMetric() {
        Tokens clean = tokens(Fixtures.GPT2, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(Fixtures.GPT2, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(Fixtures.GPT2, DType.FLOAT64)) {
            IntegratedGradients coarse = IntegratedGradients.of(model, clean, corrupted, DIFFERENCE, 4);
            IntegratedGradients fine = IntegratedGradients.of(model, clean, corrupted, DIFFERENCE, 64);
            assertThat(fine.clean()).isCloseTo(-0.6052385589757466, within(1e-6));
            assertThat(fine.corrupted()).isCloseTo(-0.7204518870211906, within(1e-6));
            assertThat(Math.abs(fine.completenessError())).isLessThan(1e-3);
            assertThat(Math.abs(fine.completenessError())).isLessThan(Math.abs(coarse.completenessError()) + 1e-6);
            EdgeAttribution one = EdgeAttribution.integrated(model, clean, corrupted, DIFFERENCE, 8);
            assertThat(one.top(3)).hasSize(3);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {Fixtures.GPT2, Fixtures.LLAMA, Fixtures.NEOX, Fixtures.GEMMA2})
    void aCircuitOfAllEdgesIsTheModelAndOneOfNoneTheCorruptedRun(String fixture) {
        Tokens clean = tokens(fixture, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(fixture, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(fixture, DType.FLOAT64)) {
            EdgeAttribution edges = EdgeAttribution.of(model, clean, corrupted, DIFFERENCE);
            Circuit all = new Circuit(edges.top(Integer.MAX_VALUE));
            Circuit.Faithfulness whole = all.evaluate(model, clean, corrupted, DIFFERENCE);
            assertThat(whole.circuit()).isCloseTo(whole.clean(), within(1e-9));
            assertThat(whole.complement()).isCloseTo(whole.corrupted(), within(1e-9));
            assertThat(whole.faithfulness()).isCloseTo(1, within(1e-6));
            assertThat(whole.completeness()).isCloseTo(1, within(1e-6));
            Circuit.Faithfulness none = new Circuit(List.of()).evaluate(model, clean, corrupted, DIFFERENCE);
            assertThat(none.circuit()).isCloseTo(whole.corrupted(), within(1e-9));
            assertThat(none.complement()).isCloseTo(whole.clean(), within(1e-9));
        }
    }

    @Test
    void oneDirectEdgeMakesTheDifferenceThatItsPatchMakesByHand() {
        Tokens clean = tokens(Fixtures.GPT2, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(Fixtures.GPT2, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(Fixtures.GPT2, DType.FLOAT64)) {
            EdgeAttribution edges = EdgeAttribution.of(model, clean, corrupted, DIFFERENCE);
            List<EdgeAttribution.Edge> others = edges.top(Integer.MAX_VALUE).stream()
                    .filter(edge ->
                            !(edge.writer().equals("a0.h1") && edge.reader().equals("logits")))
                    .toList();
            double found = new Circuit(others)
                    .evaluate(model, clean, corrupted, DIFFERENCE)
                    .circuit();
            String last = "blocks.2.hook_resid_post";
            String head = "blocks.0.attn.hook_result";
            Tensor before = model.run(RunRequest.of(clean).observe(last, head).build())
                    .cache()
                    .get(last);
            Tensor here = model.run(RunRequest.of(clean).observe(head).build())
                    .cache()
                    .get(head)
                    .select(2, 1);
            Tensor there = model.run(RunRequest.of(corrupted).observe(head).build())
                    .cache()
                    .get(head)
                    .select(2, 1);
            Tensor logits =
                    model.runWith(clean, Intervention.set(last, before.sub(here).add(there)));
            Tensor end = logits.select(1, -1);
            double expected = end.select(1, 5).sub(end.select(1, 9)).mean().item();
            assertThat(found).isCloseTo(expected, within(1e-9));
        }
    }

    @Test
    void edgesThatLeadNowhereAreLeftOut() {
        Tokens clean = tokens(Fixtures.GPT2, "golden.safetensors", "tokens");
        Tokens corrupted = tokens(Fixtures.GPT2, "gradients.safetensors", "corrupted_tokens");
        try (HookedTransformer model = load(Fixtures.GPT2, DType.FLOAT64)) {
            EdgeAttribution edges = EdgeAttribution.of(model, clean, corrupted, DIFFERENCE);
            Circuit pruned = Circuit.top(edges, 30);
            Circuit whole = new Circuit(edges.top(30));
            assertThat(pruned.edges()).isNotEmpty().hasSizeLessThan(30);
            // What leads nowhere makes no difference.
            assertThat(pruned.evaluate(model, clean, corrupted, DIFFERENCE).circuit())
                    .isCloseTo(
                            whole.evaluate(model, clean, corrupted, DIFFERENCE).circuit(), within(1e-9));
            assertThat(pruned.view("Circuit", "").toHtml()).contains("\"kind\":\"graph\"");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new Circuit(List.of(new EdgeAttribution.Edge("m2", "a0.h0<q>", 1)))
                            .evaluate(model, clean, corrupted, DIFFERENCE))
                    .withMessageContaining("no edge from 'm2' to 'a0.h0<q>'");
        }
    }

    @Test
    void promptsOfDifferentLengthsAreRefused() {
        try (HookedTransformer model = load(Fixtures.GPT2, DType.FLOAT32)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionPatching.of(
                            model, Tokens.of(new long[] {1, 2}), Tokens.of(new long[] {1, 2, 3}), DIFFERENCE))
                    .withMessageContaining("[1, 2] and [1, 3]");
        }
    }
}
