package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnx.proto.OnnxMl;
import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.WholeGraph;
import dev.loupe.backend.onnx.export.ExportedGraph;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.graph.Value;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Exported files, loaded by ONNX Runtime as anyone would. */
class OnnxExportTest {

    private static final String LOGITS = "logits";
    private static final double TOLERANCE = 1e-4;
    static final OrtEnvironment ENVIRONMENT = environment();

    @TempDir
    private Path folder;

    // The process' environment is made by the first who asks: let it be the backend, as in the other tests.
    private static OrtEnvironment environment() {
        new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1)).close();
        return OrtEnvironment.getEnvironment();
    }

    private static HookedTransformer load(String name, DType dtype) {
        return HookedTransformer.fromPretrained(
                name, LoadOptions.defaults().withBackend("reference").withDType(dtype));
    }

    static HookedTransformer load(String name) {
        return load(name, DType.FLOAT32);
    }

    /** What a run gives, by name: the bytes of each output. */
    static Map<String, ByteBuffer> run(OrtSession session, Tokens tokens) throws OrtException {
        return run(session, tokens, Map.of());
    }

    /** As above, with further inputs. */
    static Map<String, ByteBuffer> run(OrtSession session, Tokens tokens, Map<String, OnnxTensor> more)
            throws OrtException {
        int batch = tokens.batch();
        int positions = tokens.positions();
        long[] ids = new long[batch * positions];
        long[] mask = new long[batch * positions];
        for (int row = 0; row < batch; row++) {
            for (int i = 0; i < positions; i++) {
                ids[row * positions + i] = tokens.row(row)[i];
                mask[row * positions + i] = tokens.isReal(row, i) ? 1 : 0;
            }
        }
        long[] shape = {batch, positions};
        Map<String, ByteBuffer> found = new LinkedHashMap<>();
        try (OnnxTensor idTensor = OnnxTensor.createTensor(ENVIRONMENT, LongBuffer.wrap(ids), shape);
                OnnxTensor maskTensor = OnnxTensor.createTensor(ENVIRONMENT, LongBuffer.wrap(mask), shape);
                OrtSession.Result result = session.run(inputs(more, idTensor, maskTensor))) {
            for (Map.Entry<String, ?> entry : result) {
                found.put(entry.getKey(), ((OnnxTensor) entry.getValue()).getByteBuffer());
            }
        }
        return found;
    }

    private static Map<String, OnnxTensor> inputs(Map<String, OnnxTensor> more, OnnxTensor ids, OnnxTensor mask) {
        Map<String, OnnxTensor> inputs = new LinkedHashMap<>(more);
        inputs.put("tokens", ids);
        inputs.put("attention_mask", mask);
        return inputs;
    }

    /** Token rows of several sizes; the last ones are padded on the left and on the right. */
    static List<Tokens> prompts(int vocabulary, long seed) {
        Random random = new Random(seed);
        List<Tokens> prompts = new ArrayList<>();
        for (int[] size : new int[][] {{1, 1}, {1, 7}, {3, 5}, {2, 30}}) {
            prompts.add(Tokens.of(Stream.generate(() -> ids(random, vocabulary, size[1]))
                    .limit(size[0])
                    .toArray(long[][]::new)));
        }
        List<long[]> uneven =
                List.of(ids(random, vocabulary, 3), ids(random, vocabulary, 28), ids(random, vocabulary, 1));
        prompts.add(Tokens.pad(uneven, 0, true));
        prompts.add(Tokens.pad(uneven, 0, false));
        return prompts;
    }

    private static long[] ids(Random random, int vocabulary, int count) {
        return random.longs(count, 0, vocabulary).toArray();
    }

    static void assertAgrees(String name, ByteBuffer found, Tensor expected, Tokens tokens) {
        HostTensor numbers = expected.toHost();
        HostTensor actual = new HostTensor(expected.dtype(), expected.shape(), found);
        assertThat(found.capacity())
                .as("bytes of %s", name)
                .isEqualTo(numbers.data().capacity());
        long inRow = numbers.shape().elements() / tokens.batch();
        // Scores and patterns are [batch, head, query, key]: which query a number belongs to.
        boolean square = name.endsWith("attn_scores") || name.endsWith("pattern");
        long inPosition = square ? tokens.positions() : inRow / tokens.positions();
        for (int i = 0; i < numbers.shape().elements(); i++) {
            int position = (int) (i % inRow / inPosition % tokens.positions());
            if (!tokens.isReal((int) (i / inRow), position)) {
                continue;
            }
            double wanted = numbers.getDouble(i);
            double difference = Math.abs(actual.getDouble(i) - wanted);
            boolean same = actual.getDouble(i) == wanted; // infinities
            // Random tokens drive toy models to activations near 100, where float32 has five digits behind the point.
            if (!same && !(difference <= TOLERANCE * Math.max(1, Math.abs(wanted) / 10))) {
                throw new AssertionError(name + " at " + i + " of " + numbers.shape() + ": found " + actual.getDouble(i)
                        + ", expected " + numbers.getDouble(i));
            }
        }
    }

    private void assertExportAgrees(String name, String globs) throws OrtException {
        long seed = 20261124;
        try (HookedTransformer model = load(name)) {
            Path file = folder.resolve("model.onnx");
            HookFilter filter = HookFilter.glob(globs);
            OnnxExport.Written written = OnnxExport.of(model).observe(filter).write(file);
            List<String> names = new ArrayList<>(List.of(LOGITS));
            filter.select(model.hookNames()).forEach(point -> names.add(point.name()));
            assertThat(written.outputs()).isEqualTo(names);
            assertThat(written.data()).isEmpty();
            try (OrtSession.SessionOptions options = new OrtSession.SessionOptions();
                    OrtSession session = ENVIRONMENT.createSession(file.toString(), options)) {
                assertThat(session.getOutputNames()).containsExactlyElementsOf(names);
                for (Tokens tokens : prompts(model.config().dVocab(), seed)) {
                    Map<String, ByteBuffer> found = run(session, tokens);
                    try (CachedRun expected = model.runWithCache(tokens, filter)) {
                        assertAgrees(LOGITS, found.get(LOGITS), expected.logits(), tokens);
                        for (String point : names.subList(1, names.size())) {
                            Tensor activation = expected.cache().get(point);
                            assertAgrees(point, found.get(point), activation, tokens);
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "toy-gpt2    | *",
                "toy-gpt2    | **",
                "toy-gpt2    | *hook_result,pattern2",
                "toy-llama   | *",
                "toy-llama   | **",
                "toy-llama   | *hook_rot_?",
                "toy-mistral | *",
                "toy-mistral | **",
                "toy-mistral | blocks.3.*,hook_embed"
            })
    void anExportedModelGivesWhatARunWithCacheGives(String name, String globs) throws OrtException {
        assertExportAgrees(name, globs);
    }

    @Test
    void otherTypesThanFloat32AreRefused() {
        try (HookedTransformer model = load("toy-gpt2", DType.FLOAT64)) {
            assertThatThrownBy(() -> OnnxExport.of(model).write(folder.resolve("model.onnx")))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("float64")
                    .hasMessageContaining("load it in float32");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void withoutPointsTheLogitsAreTheOnlyOutput() throws OrtException {
        try (HookedTransformer model = load("toy-llama")) {
            Path file = folder.resolve("model.onnx");
            assertThat(OnnxExport.of(model).write(file).outputs()).containsExactly(LOGITS);
            try (OrtSession session = ENVIRONMENT.createSession(file.toString())) {
                assertThat(session.getOutputNames()).containsExactly(LOGITS);
            }
        }
    }

    @Test
    void inputsAndOutputsHaveNamedAxesAndTypes() throws OrtException {
        try (HookedTransformer model = load("toy-gpt2")) {
            Path file = folder.resolve("model.onnx");
            OnnxExport.of(model).observe(HookFilter.names("pattern1")).write(file);
            try (OrtSession session = ENVIRONMENT.createSession(file.toString())) {
                assertThat(session.getInputInfo().keySet()).containsExactly("tokens", "attention_mask");
                for (NodeInfo input : session.getInputInfo().values()) {
                    assertIs(input, OnnxJavaType.INT64, "batch", "pos");
                }
                assertIs(session.getOutputInfo().get(LOGITS), OnnxJavaType.FLOAT, "batch", "pos", "");
                assertIs(
                        session.getOutputInfo().get("blocks.1.attn.hook_pattern"),
                        OnnxJavaType.FLOAT,
                        "batch",
                        "",
                        "pos",
                        "pos");
                assertThat(session.getMetadata().getProducerName()).isEqualTo("loupe");
                assertThat(session.getMetadata().getGraphName()).isEqualTo("toy-gpt2");
                assertThat(session.getMetadata().getCustomMetadata())
                        .containsEntry("loupe.model", "toy-gpt2")
                        .containsEntry(
                                "loupe.n_ctx", Integer.toString(model.config().nCtx()));
            }
        }
    }

    private static void assertIs(NodeInfo info, OnnxJavaType type, String... axes) {
        TensorInfo tensor = (TensorInfo) info.getInfo();
        assertThat(tensor.type).as(info.getName()).isEqualTo(type);
        assertThat(tensor.getDimensionNames()).as(info.getName()).isEqualTo(axes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void onlyStandardOperatorsAreUsed(String name) throws IOException {
        try (HookedTransformer model = load(name)) {
            Path file = folder.resolve("model.onnx");
            OnnxExport.of(model).observe(HookFilter.everything()).write(file);
            OnnxMl.ModelProto proto = OnnxMl.ModelProto.parseFrom(Files.readAllBytes(file));
            assertThat(proto.getIrVersion()).isEqualTo(8);
            assertThat(proto.getOpsetImportList()).hasSize(1);
            assertThat(proto.getOpsetImport(0).getDomain()).isEmpty();
            assertThat(proto.getOpsetImport(0).getVersion()).isEqualTo(18);
            assertThat(proto.getGraph().getNodeList()).isNotEmpty().allSatisfy(node -> {
                assertThat(node.getDomain()).isEmpty();
                assertThat(node.getName()).matches("(inputs|outputs|embed|blocks\\.\\d+|unembed)/.*");
            });
            assertThat(proto.toByteArray()).isEqualTo(Files.readAllBytes(file));
        }
    }

    @Test
    void aFileOfWeightsBesideTheModelGivesTheSameBits() throws OrtException, IOException {
        try (HookedTransformer model = load("toy-mistral")) {
            Path one = folder.resolve("one.onnx");
            Path two = folder.resolve("two.onnx");
            OnnxExport export = OnnxExport.of(model).observe(HookFilter.glob("*hook_resid_post"));
            export.write(one);
            OnnxExport.Written written = export.externalData().write(two);
            Path data = folder.resolve("two.onnx.data");
            assertThat(written.data()).contains(data);
            assertThat(written.bytes()).isEqualTo(Files.size(two) + Files.size(data));
            assertThat(Files.size(two)).isLessThan(Files.size(one) / 2);
            for (OnnxMl.TensorProto weight : OnnxMl.ModelProto.parseFrom(Files.readAllBytes(two))
                    .getGraph()
                    .getInitializerList()) {
                for (OnnxMl.StringStringEntryProto entry : weight.getExternalDataList()) {
                    if (entry.getKey().equals("location")) {
                        assertThat(entry.getValue()).isEqualTo("two.onnx.data");
                    } else if (entry.getKey().equals("offset")) {
                        assertThat(Long.parseLong(entry.getValue()) % 64).isZero();
                    }
                }
            }
            try (OrtSession inOne = ENVIRONMENT.createSession(one.toString());
                    OrtSession inTwo = ENVIRONMENT.createSession(two.toString())) {
                for (Tokens tokens : prompts(model.config().dVocab(), 7)) {
                    assertThat(run(inTwo, tokens)).isEqualTo(run(inOne, tokens));
                }
            }
        }
    }

    @Test
    void theModelMayBeOnAnyBackendAndItsHooksPlayNoPart() throws IOException {
        Path fromReference = folder.resolve("reference.onnx");
        Path fromOnnx = folder.resolve("onnx.onnx");
        try (HookedTransformer model = load("toy-gpt2")) {
            OnnxExport.of(model).write(fromReference);
        }
        try (HookedTransformer model = HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.defaults().withBackend("onnx").withThreads(1))) {
            model.addPermanentHook(Hook.at("resid_post", 0, (act, point) -> act.mul(0)));
            OnnxExport.of(model).write(fromOnnx);
        }
        assertThat(Files.mismatch(fromReference, fromOnnx)).isEqualTo(-1);
    }

    @Test
    void anUnknownPointIsRefusedWithTheNearest() {
        try (HookedTransformer model = load("toy-gpt2")) {
            OnnxExport export = OnnxExport.of(model).observe(HookFilter.glob("blocks.1.attn.hook_patern"));
            assertThatThrownBy(() -> export.write(folder.resolve("model.onnx")))
                    .isInstanceOf(UnknownHookException.class)
                    .hasMessageContaining("blocks.1.attn.hook_pattern");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aFileThatExistsIsKeptUnlessItMayBeReplaced() throws IOException {
        Path file = Files.writeString(folder.resolve("model.onnx"), "precious");
        Path data = Files.writeString(folder.resolve("other.onnx.data"), "precious");
        try (HookedTransformer model = load("toy-gpt2")) {
            OnnxExport export = OnnxExport.of(model);
            assertThatThrownBy(() -> export.write(file))
                    .isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining("model.onnx: it exists");
            assertThatThrownBy(() -> export.externalData().write(folder.resolve("other.onnx")))
                    .isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining("other.onnx.data: it exists");
            assertThat(file).hasContent("precious");
            assertThat(data).hasContent("precious");
            assertThat(folder)
                    .isDirectoryNotContaining(path -> !Set.of(file, data).contains(path));
            assertThat(Files.size(export.replacing().write(file).file())).isGreaterThan(1 << 20);
        }
    }

    @Test
    void aFolderThatIsMissingIsTold() {
        try (HookedTransformer model = load("toy-gpt2")) {
            assertThatThrownBy(() ->
                            OnnxExport.of(model).write(folder.resolve("none").resolve("model.onnx")))
                    .isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining("there is no folder");
        }
    }

    @Test
    void anInputThatCantBeWorkedOutIsNamed() {
        GraphBuilder builder = new GraphBuilder().region("embed");
        Value image = builder.input("image", DType.FLOAT32, StandardNames.BATCH, StandardNames.POS);
        Graph graph =
                builder.output(LOGITS, builder.unary(Op.UnaryKind.TANH, image)).build();
        WholeGraph whole = WholeGraph.of(graph, Set.of(), Set.of(LOGITS));
        assertThatThrownBy(() -> ExportedGraph.write(whole, List.of(), new ModelBuilder("strange", false)))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("'image'");
    }
}
