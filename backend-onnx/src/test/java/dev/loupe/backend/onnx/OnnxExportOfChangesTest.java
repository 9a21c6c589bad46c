package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.onnx.proto.OnnxMl;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Exported files with interventions and derivatives inside, loaded by ONNX Runtime as anyone would. */
class OnnxExportOfChangesTest {

    private static final long SEED = 20260801;

    @TempDir
    private Path folder;

    private static OrtSession session(Path file) throws OrtException {
        return OnnxExportTest.ENVIRONMENT.createSession(file.toString());
    }

    private static Tensor vector(HookedTransformer model, long... sizes) {
        Tensor all = model.tensors().full(model.dtype(), 1, sizes);
        long count = all.elements();
        float[] numbers = new float[(int) count];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) Math.sin(i + 1);
        }
        return model.tensors().of(numbers, sizes);
    }

    static Stream<String> texts() {
        return Stream.of(
                "z1[head=1] = 0",
                "z0[pos=0, head=0|2] += 0.7",
                "resid_post0[pos=last] *= 1.5",
                "resid_post1[pos=-1, dim=0:9] += 2.5",
                "resid_mid1[pos=::2] *= 0.5",
                "resid_mid0[pos=prompt(0|-1)] *= 1.5",
                "resid_pre1[batch=0, pos=0:1] = 0.25",
                "resid_pre1[batch=-1, dim=3:9] *= 3",
                "pattern0[key=0] *= 0.3",
                "pattern1[head=1, pos=last] *= 0.5",
                "mlp_out0 = mean(pos)",
                "mlp_out1[pos=last] = mean(d_model)",
                "blocks.*.hook_mlp_out *= 0.9",
                "pattern1 stop");
    }

    @ParameterizedTest
    @MethodSource("texts")
    void anInterventionIsInTheFile(String text) throws OrtException {
        try (HookedTransformer model = OnnxExportTest.load("toy-gpt2")) {
            agrees(model, Intervention.parse(text));
        }
    }

    @Test
    void tensorsProjectionsAndFunctionsAreInTheFileInTheirOrder() throws OrtException {
        try (HookedTransformer model = OnnxExportTest.load("toy-llama")) {
            int width = model.config().dModel();
            agrees(
                    model,
                    Intervention.add("resid_post", 1, vector(model, width)).lastReal(),
                    Intervention.projectOut("resid_post1", vector(model, 2, width)),
                    Intervention.function("resid_post1", x -> x.tanh().mul(3)),
                    Intervention.set("z2", vector(model, 2, model.config().dHead()))
                            .heads(0, 3));
        }
    }

    private void agrees(HookedTransformer model, Intervention... interventions) throws OrtException {
        Path file = folder.resolve("model.onnx");
        OnnxExport.of(model)
                .intervene(interventions)
                .observe(HookFilter.names("resid_post1"))
                .replacing()
                .write(file);
        String name = "blocks.1.hook_resid_post";
        boolean differs = false;
        try (OrtSession session = session(file)) {
            for (Tokens tokens : OnnxExportTest.prompts(model.config().dVocab(), SEED)) {
                Map<String, ByteBuffer> found = OnnxExportTest.run(session, tokens);
                Tensor logits = model.runWith(tokens, interventions);
                OnnxExportTest.assertAgrees("logits", found.get("logits"), logits, tokens);
                differs |= logits.sub(model.forward(tokens)).abs().max().item() > 1e-3;
                assertThat(found).containsOnlyKeys("logits", name);
            }
        }
        boolean stop = interventions[0].action() instanceof Intervention.Stop;
        assertThat(differs || stop).as("the interventions change something").isTrue();
    }

    @Test
    void whatStandsWhereATokenStandsIsChanged() throws OrtException {
        try (HookedTransformer model = OnnxExportTest.load("toy-gpt2")) {
            Intervention change = Intervention.parse("resid_mid0[pos=\" the\"] *= 0.1");
            Path file = folder.resolve("model.onnx");
            OnnxExport.of(model).intervene(change).write(file);
            Tokens tokens = model.toTokens(List.of("When Mary went to the store", "In the house"));
            Tensor expected = model.runWith(tokens, change);
            assertThat(expected.sub(model.forward(tokens)).abs().max().item()).isGreaterThan(1e-2);
            try (OrtSession session = session(file)) {
                OnnxExportTest.assertAgrees(
                        "logits", OnnxExportTest.run(session, tokens).get("logits"), expected, tokens);
            }
        }
    }

    @Test
    void valuesMayBeInputs() throws OrtException {
        try (HookedTransformer model = OnnxExportTest.load("toy-gpt2")) {
            int width = model.config().dModel();
            Path file = folder.resolve("model.onnx");
            OnnxExport.Written written = OnnxExport.of(model)
                    .intervene(
                            Intervention.add("resid_post", 1, vector(model, width))
                                    .lastReal(),
                            Intervention.scale("pattern", 2, 0.5).heads(1),
                            Intervention.zero("z", 0).heads(2))
                    .valuesAsInputs()
                    .write(file);
            assertThat(written.values())
                    .containsExactly("intervention.0.value", "intervention.1.value", "intervention.2.value");
            Tokens tokens =
                    OnnxExportTest.prompts(model.config().dVocab(), SEED).get(4);
            Tensor other = vector(model, width).mul(-2);
            Tensor expected = model.runWith(
                    tokens,
                    Intervention.add("resid_post", 1, other).lastReal(),
                    Intervention.scale("pattern", 2, 0.1).heads(1),
                    Intervention.set("z0", 0.25).heads(2));
            try (OrtSession session = session(file);
                    OnnxTensor push = OnnxTensor.createTensor(
                            OnnxExportTest.ENVIRONMENT, FloatBuffer.wrap(other.toFloatArray()), new long[] {1, 1, width
                            });
                    OnnxTensor factor = OnnxTensor.createTensor(
                            OnnxExportTest.ENVIRONMENT, FloatBuffer.wrap(new float[] {0.1f}), new long[0]);
                    OnnxTensor value = OnnxTensor.createTensor(
                            OnnxExportTest.ENVIRONMENT, FloatBuffer.wrap(new float[] {0.25f}), new long[0])) {
                Map<String, OnnxTensor> values = Map.of(
                        "intervention.0.value", push, "intervention.1.value", factor, "intervention.2.value", value);
                Map<String, ByteBuffer> found = OnnxExportTest.run(session, tokens, values);
                OnnxExportTest.assertAgrees("logits", found.get("logits"), expected, tokens);
            }
        }
    }

    @Test
    void whatBelongsToOneRunAloneIsRefused() {
        try (HookedTransformer model = OnnxExportTest.load("toy-gpt2")) {
            Path file = folder.resolve("model.onnx");
            Tokens tokens = Tokens.of(new long[] {1, 2, 3});
            ActivationCache cache = model.runWithCache(tokens).cache();
            Map<Intervention, String> bad = Map.of(
                    Intervention.patch("resid_post1", cache), "let the values be inputs",
                    Intervention.zero("z1").positionOfEachRow(1, 2), "takes any number of them",
                    Intervention.zero("z1").positions(), "chooses no place",
                    Intervention.zero("z1").promptPositions(), "chooses no place",
                    Intervention.add("resid_post1", cache.get("resid_post1")), "one for all of them");
            bad.forEach((change, message) -> assertThatIllegalArgumentException()
                    .isThrownBy(() -> OnnxExport.of(model).intervene(change).write(file))
                    .withMessageContaining(message));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> OnnxExport.of(model)
                            .gradients(Metric.klDivergence(model.forward(tokens)), HookFilter.standard())
                            .write(file))
                    .withMessageContaining("another run's logits");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void derivativesAreInTheFile(String name) throws OrtException, IOException {
        try (HookedTransformer model = OnnxExportTest.load(name)) {
            List<Metric> metrics = List.of(
                    Metric.logitDifference(5, 9),
                    Metric.loss(),
                    Metric.logProbability(7).at(-1),
                    Metric.logit(3).everywhere());
            for (Metric metric : name.equals("toy-gpt2") ? metrics : metrics.subList(0, 1)) {
                Path file = folder.resolve("model.onnx");
                HookFilter points = HookFilter.names("hook_embed", "z1", "pattern1", "resid_post0", "q_input1");
                OnnxExport.of(model)
                        .gradients(metric, points)
                        .observe(HookFilter.names("z1"))
                        .replacing()
                        .write(file);
                OnnxMl.ModelProto proto = OnnxMl.ModelProto.parseFrom(Files.readAllBytes(file));
                assertThat(proto.getGraph().getNodeList())
                        .allMatch(node -> node.getDomain().isEmpty());
                try (OrtSession session = session(file)) {
                    for (Tokens tokens : OnnxExportTest.prompts(model.config().dVocab(), SEED)) {
                        if (tokens.positions() > 1) {
                            Map<String, ByteBuffer> found = OnnxExportTest.run(session, tokens);
                            GradientCache expected = model.gradients(tokens, metric, points);
                            expected.items()
                                    .forEach((point, gradient) -> OnnxExportTest.assertAgrees(
                                            point + "_grad", found.get(point + "_grad"), gradient, tokens));
                            assertThat(found).containsKeys("metric", "logits", "blocks.1.attn.hook_z");
                        }
                    }
                }
            }
        }
    }
}
