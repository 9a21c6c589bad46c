package dev.loupe.dictionaries;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.model.HookedTransformer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.assertj.core.api.ThrowableAssertAlternative;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that aren't what they should be, and odd ones that are. */
class BadDictionariesTest {

    private static final String AT = "blocks.0.hook_resid_post";
    private static final String CONFIG =
            "{\"architecture\": \"standard\", \"d_in\": 3, \"d_sae\": 2, \"hook_name\": \"" + AT + "\"%s}";

    @TempDir
    private Path folder;

    private void saeLens(String config, Map<String, HostTensor> arrays) throws IOException {
        Files.writeString(folder.resolve("cfg.json"), config);
        SafetensorsWriter writer = new SafetensorsWriter();
        arrays.forEach(writer::add);
        writer.write(folder.resolve("sae_weights.safetensors"));
    }

    private static Map<String, HostTensor> arrays() {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.of(Shape.of(3, 2), new float[6]));
        arrays.put("b_enc", HostTensor.of(Shape.of(2), new float[2]));
        arrays.put("W_dec", HostTensor.of(Shape.of(2, 3), new float[6]));
        arrays.put("b_dec", HostTensor.of(Shape.of(3), new float[3]));
        return arrays;
    }

    private ThrowableAssertAlternative<IllegalArgumentException> refused(String config) throws IOException {
        saeLens(config, arrays());
        return refused();
    }

    private ThrowableAssertAlternative<IllegalArgumentException> refused() {
        return assertThatIllegalArgumentException().isThrownBy(() -> Dictionaries.load(folder.toString(), null));
    }

    @Test
    void settingsThatAreNotUnderstoodAreNamed() throws IOException {
        saeLens(CONFIG.formatted(""), arrays());
        assertThat(Dictionary.load(folder.toString()).config().dSae()).isEqualTo(2);

        refused("{}").withMessageContaining("cfg.json lacks 'd_in'");
        refused("[1]").withMessageContaining("should hold a JSON object");
        refused("{\"d_in\": 3, \"d_sae\": 2}")
                .withMessageContaining("lacks 'hook_name'")
                .withMessageContaining("--at");
        refused(CONFIG.formatted(", \"architecture\": \"temporal\""))
                .withMessageContaining("'architecture' is 'temporal'; known are [batchtopk, gated");
        refused(CONFIG.formatted(", \"normalize_activations\": \"whitened\""))
                .withMessageContaining("'normalize_activations' is 'whitened'");
        refused(CONFIG.formatted(", \"activation_fn\": \"tanh-relu\"")).withMessageContaining("'tanh-relu'");
        refused(CONFIG.formatted(", \"reshape_activations\": \"hook_q\"")).withMessageContaining("'hook_q'");
        refused(CONFIG.formatted(", \"hook_head_index\": 3")).withMessageContaining("'hook_head_index' is 3");
        refused(CONFIG.formatted(", \"activation_fn\": \"topk\""))
                .withMessageContaining("'k' should be from 1 to d_sae 2");
        refused(CONFIG.formatted(", \"activation_fn\": \"topk\", \"activation_fn_kwargs\": {\"k\": 3}"))
                .withMessageContaining("found 3");
        refused(CONFIG.formatted(", \"apply_b_dec_to_input\": \"yes\"")).withMessageContaining("apply_b_dec_to_input");
        refused(CONFIG.formatted(", \"d_in\": 5")).withMessageContaining("'W_enc' should be floating-point [5, 2]");
        refused(CONFIG.formatted(", \"d_sae\": -1")).withMessageContaining("d_sae");
        refused(CONFIG.formatted(", \"metadata\": 3")).withMessageContaining("metadata");
        refused(CONFIG.formatted(", \"architecture\": \"jumprelu\""))
                .withMessageContaining("lacks the arrays [threshold]");
        refused(CONFIG.formatted(", \"architecture\": \"skip_transcoder\"")).withMessageContaining("has no W_skip");
        refused(CONFIG.formatted(", \"architecture\": \"transcoder\"")).withMessageContaining("lacks 'hook_name_out'");
        refused(CONFIG.formatted(", \"finetuning_scaling_factor\": true"))
                .withMessageContaining("'finetuning_scaling_factor' is set, but sae_weights.safetensors has no such");
        refused(CONFIG.formatted(", \"d_out\": 4")).withMessageContaining("'apply_b_dec_to_input'");
    }

    @Test
    void aThresholdIsNeverLeftOutSilently() throws IOException {
        Map<String, HostTensor> arrays = arrays();
        arrays.put("threshold", HostTensor.of(Shape.of(2), 0f, 0.5f));
        saeLens(CONFIG.formatted(""), arrays);
        refused().withMessageContaining("kind RELU").withMessageContaining("threshold");
        saeLens(CONFIG.formatted(", \"activation_fn\": \"jumprelu\""), arrays);
        assertThat(Dictionary.load(folder.toString()).config().activation()).isEqualTo(Activation.JUMPRELU);
        arrays.put("threshold", HostTensor.of(Shape.of(2), 0f, 0f));
        saeLens(CONFIG.formatted(""), arrays);
        assertThat(Dictionary.load(folder.toString()).config().activation()).isEqualTo(Activation.RELU);
        Map<String, byte[]> gemmaScope = gemmaScope();
        gemmaScope.remove("threshold.npy");
        Files.delete(folder.resolve("cfg.json"));
        npz(gemmaScope);
        npzRefused().withMessageContaining("lacks the arrays [threshold]");
    }

    @Test
    void arraysThatAreNotThereOrOfAnotherKindAreNamed() throws IOException {
        Map<String, HostTensor> without = arrays();
        without.remove("W_dec");
        saeLens(CONFIG.formatted(""), without);
        refused().withMessageContaining("lacks the arrays [W_dec]").withMessageContaining("W_enc");

        Map<String, HostTensor> whole = arrays();
        whole.put("b_enc", HostTensor.of(Shape.of(2), 1L, 2L));
        saeLens(CONFIG.formatted(""), whole);
        refused().withMessageContaining("'b_enc' is int64 [2]; the arrays of a dictionary are floating-point");

        Map<String, HostTensor> more = arrays();
        more.put("W_encoder", HostTensor.of(Shape.of(1), 1f));
        saeLens(CONFIG.formatted(""), more);
        refused().withMessageContaining("'W_encoder'").withMessageContaining("near are [W_enc");

        Files.delete(folder.resolve("sae_weights.safetensors"));
        refused().withMessageContaining("has cfg.json but no sae_weights.safetensors");
        Files.delete(folder.resolve("cfg.json"));
        refused().withMessageContaining("holds no dictionary").withMessageContaining("params.npz");
        Path file = Files.writeString(folder.resolve("x"), "");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionary.load(file.toString()))
                .withMessageContaining("is a file. Give the directory");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionaries.loadSet("toy-gpt2.transcoder"))
                .withMessageContaining("toy-gpt2.transcoders");
    }

    // NumPy's files.

    private static byte[] npy(String header, byte[] content) {
        byte[] text = (header + "\n").getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer file = ByteBuffer.allocate(10 + text.length + content.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) text.length);
        return file.put(text).put(content).array();
    }

    private static byte[] npy(String shape, boolean columnMajor, float... numbers) {
        ByteBuffer content = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float number : numbers) {
            content.putFloat(number);
        }
        String order = columnMajor ? "True" : "False";
        return npy("{'descr': '<f4', 'fortran_order': " + order + ", 'shape': (" + shape + "), }", content.array());
    }

    private static Map<String, byte[]> gemmaScope() {
        Map<String, byte[]> arrays = new LinkedHashMap<>();
        arrays.put("W_enc.npy", npy("3, 2", false, 1, 2, 3, 4, 5, 6));
        arrays.put("W_dec.npy", npy("2, 3", false, 1, 2, 3, 4, 5, 6));
        arrays.put("b_enc.npy", npy("2,", false, 0, 0));
        arrays.put("b_dec.npy", npy("3,", false, 0, 0, 0));
        arrays.put("threshold.npy", npy("2,", false, 1, 1));
        return arrays;
    }

    private byte[] npz(Map<String, byte[]> arrays) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (Map.Entry<String, byte[]> array : arrays.entrySet()) {
                zip.putNextEntry(new ZipEntry(array.getKey()));
                zip.write(array.getValue());
                zip.closeEntry();
            }
        }
        Files.write(folder.resolve("params.npz"), bytes.toByteArray());
        return bytes.toByteArray();
    }

    private ThrowableAssertAlternative<IllegalArgumentException> npzRefused() {
        return assertThatIllegalArgumentException().isThrownBy(() -> Dictionaries.load(folder.toString(), AT));
    }

    @Test
    void columnMajorArraysAreReadAsTheyAreMeant() throws IOException {
        Map<String, byte[]> arrays = gemmaScope();
        npz(arrays);
        double[] rows =
                Dictionaries.load(folder.toString(), AT).weights().get("W_enc").toDoubleArray();
        arrays.put("W_enc.npy", npy("3, 2", true, 1, 3, 5, 2, 4, 6));
        npz(arrays);
        double[] columns =
                Dictionaries.load(folder.toString(), AT).weights().get("W_enc").toDoubleArray();
        assertThat(columns).containsExactly(rows, within(0.0)).containsExactly(1, 2, 3, 4, 5, 6);
    }

    @Test
    void whatIsNoNpzOrADamagedOneIsToldApart() throws IOException {
        Files.writeString(folder.resolve("params.npz"), "version https://git-lfs");
        npzRefused().withMessageContaining("params.npz is no .npz file");
        Files.write(folder.resolve("params.npz"), new byte[0]);
        npzRefused().withMessageContaining("params.npz is no .npz file");
        byte[] whole = npz(gemmaScope());
        for (int length : new int[] {40, 60, 100, 200, 300}) {
            Files.write(folder.resolve("params.npz"), Arrays.copyOf(whole, length));
            npzRefused().withMessageContaining("params.npz");
        }
        Map<String, byte[]> arrays = gemmaScope();
        arrays.put("readme.txt", new byte[3]);
        npz(arrays);
        npzRefused().withMessageContaining("'readme.txt' is no .npy array");
        broken("b_enc.npy", new byte[30], "doesn't begin as NumPy's arrays do");
        broken("b_enc.npy", npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", new byte[8]), "'<i4'");
        broken("b_enc.npy", npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", new byte[8]), "'>f4'");
        broken("b_enc.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", new byte[8]), "'|O'");
        broken("b_enc.npy", npy("{'fortran_order': False, 'shape': (2,), }", new byte[8]), "has no 'descr'");
        broken("b_enc.npy", npy("2,", false, 1), "ends after 4 of 8 bytes");
        broken("b_enc.npy", npy("99999999999999999999,", false, 1), "which can't be");
        broken("b_enc.npy", npy("4000000000, 4000000000", false, 1), "which can't be");
        broken("b_enc.npy", npy("4000000000, 2", false, 1), "larger than 2 GiB");
        broken("b_enc.npy", npy("500000000,", false, 1), "ends after 4 of 2000000000 bytes");
        broken("W_enc.npy", npy("2, 3, 1", true, 1, 2, 3, 4, 5, 6), "3 axes in column-major order");
        broken("W_enc.npy", npy("2, 3", false, 1, 2, 3, 4, 5, 6), "W_dec");
        Map<String, byte[]> without = gemmaScope();
        without.remove("W_dec.npy");
        npz(without);
        npzRefused().withMessageContaining("lacks the matrix W_dec; it has {W_enc=[3, 2]");
        npz(gemmaScope());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionary.load(folder.toString()))
                .withMessageContaining("give the hook point with it (--at");
    }

    private void broken(String name, byte[] content, String message) throws IOException {
        Map<String, byte[]> arrays = gemmaScope();
        arrays.put(name, content);
        npz(arrays);
        npzRefused().withMessageContaining(message);
    }

    @Test
    void aFileThatUnpacksToFarMoreThanItIsIsNotUnpackedToItsEnd() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("W_enc.npy"));
            zip.write(npy("500000000,", false));
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 90; i++) {
                zip.write(zeros);
            }
            zip.closeEntry();
        }
        Files.write(folder.resolve("params.npz"), bytes.toByteArray());
        npzRefused().withMessageContaining("'W_enc' unpacks to more than 100 times its size");
    }

    /** Gemma Scope's second edition: names in lower case, the skip connection the other way round. */
    @Test
    void theSecondEditionOfGemmaScopeIsReadAsItIsMeant() throws IOException {
        Path inside = Files.createDirectories(folder.resolve("transcoder/layer_3_width_2_l0_small"));
        SafetensorsWriter writer = new SafetensorsWriter();
        writer.add("w_enc", HostTensor.of(Shape.of(3, 2), 1f, 2, 3, 4, 5, 6));
        writer.add("w_dec", HostTensor.of(Shape.of(2, 3), 1f, 2, 3, 4, 5, 6));
        writer.add("b_enc", HostTensor.of(Shape.of(2), 0f, 0));
        writer.add("b_dec", HostTensor.of(Shape.of(3), 0f, 0, 0));
        writer.add("threshold", HostTensor.of(Shape.of(2), 1f, 1));
        writer.add("affine_skip_connection", HostTensor.of(Shape.of(3, 3), 0f, 1, 0, 0, 0, 0, 0, 0, 0));
        writer.write(inside.resolve("params.safetensors"));
        Dictionary dictionary = Dictionary.load(inside.toString());
        assertThat(dictionary.config().hookIn()).isEqualTo("blocks.3.mlp.hook_in");
        assertThat(dictionary.config().hookOut()).isEqualTo("blocks.3.hook_mlp_out");
        assertThat(dictionary.config().modelOptions()).containsEntry("fold_ln", false);
        // The first number that is read is added to the second that is written: W_skip is [d_out, d_in].
        assertThat(dictionary.weights().get("W_skip").toDoubleArray()).containsExactly(0, 0, 0, 1, 0, 0, 0, 0, 0);
    }

    /** circuit-tracer's sets: W_enc by feature, one threshold for all. */
    @Test
    void aSetOfTranscodersIsReadByLayer() throws IOException {
        Files.writeString(
                folder.resolve("config.yaml"),
                "model_name: x\nmodel_kind: transcoder_set\nfeature_input_hook: mlp.hook_in\nfeature_output_hook:"
                        + " mlp.hook_out\n");
        for (int layer = 0; layer < 2; layer++) {
            SafetensorsWriter writer = new SafetensorsWriter();
            writer.add("W_enc", HostTensor.of(Shape.of(2, 3), 1f, 2, 3, 4, 5, 6));
            writer.add("W_dec", HostTensor.of(Shape.of(2, 3), 1f, 2, 3, 4, 5, 6));
            writer.add("b_enc", HostTensor.of(Shape.of(2), 0f, 0));
            writer.add("b_dec", HostTensor.of(Shape.of(3), 0f, 0, 0));
            writer.add("activation_function.threshold", HostTensor.of(Shape.of(1), 0.5f));
            writer.write(folder.resolve("layer_" + layer + ".safetensors"));
        }
        var set = Dictionaries.loadSet(folder.toString());
        assertThat(set).hasSize(2);
        assertThat(set.get(1).config().hookIn()).isEqualTo("blocks.1.mlp.hook_in");
        assertThat(set.get(1).config().hookOut()).isEqualTo("blocks.1.hook_mlp_out");
        assertThat(set.get(1).config().modelOptions())
                .containsOnly(
                        Map.entry("fold_ln", false),
                        Map.entry("center_writing_weights", false),
                        Map.entry("center_unembed", false));
        assertThat(set.get(1).weights().get("W_enc").toDoubleArray()).containsExactly(1, 4, 2, 5, 3, 6);
        assertThat(set.get(1).weights().get("threshold").toDoubleArray()).containsExactly(0.5, 0.5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionary.load(folder.toString()))
                .withMessageContaining("set of transcoders");
        Files.move(folder.resolve("layer_1.safetensors"), folder.resolve("layer_2.safetensors"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionaries.loadSet(folder.toString()))
                .withMessageContaining("has layer_2.safetensors but no layer_1.safetensors");
        Files.writeString(folder.resolve("config.yaml"), "model_kind: clt");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionaries.loadSet(folder.toString()))
                .withMessageContaining("'model_kind' is 'clt'");
        Files.writeString(folder.resolve("config.yaml"), "a: [1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Dictionaries.loadSet(folder.toString()))
                .withMessageContaining("is no YAML");
    }

    @Test
    void anotherModelOfTheSameWidthIsRefusedUnlessOneInsists() {
        SplicedDictionary spliced = Dictionaries.load("resid_post_2.topk").spliced();
        try (HookedTransformer other = HookedTransformer.fromPretrained("toy-llama", LoadOptions.noProcessing())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> other.with(spliced))
                    .withMessageContainingAll("toy-gpt2", "toy-llama", "forAnyOptions");
            try (HookedTransformer taken = other.with(spliced.forAnyOptions())) {
                assertThat(taken.hookNames().resolve(spliced.features())).isNotNull();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2-small, openai-community/gpt2, false",
        "gpt2, gpt2-small, false",
        "gpt2-small, gpt2-medium, false",
        "gpt2-small, pythia-160m, true",
        "toy-gpt2, toy-llama, true",
        "a model of ours, toy-gpt2, false"
    })
    void namesOfWellKnownModelsTellThemApart(String one, String other, boolean differ) {
        assertThat(new WellKnownModels().differ(one, other)).isEqualTo(differ);
        assertThat(new WellKnownModels().differ(other, one)).isEqualTo(differ);
    }
}
