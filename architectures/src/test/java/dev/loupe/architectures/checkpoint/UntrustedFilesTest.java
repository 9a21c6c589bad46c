package dev.loupe.architectures.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.hub.HubSettings;
import dev.loupe.architectures.support.Models;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever stands in a checkpoint's files, loading works or says which file is wrong, at once. */
class UntrustedFilesTest {

    private static final PretrainedLoader LOADER = new PretrainedLoader(Map.of("HF_HUB_OFFLINE", "1"));

    @TempDir
    Path directory;

    private static Path original(String name) {
        return Fixtures.directory(name);
    }

    private void copy(String name) throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.write(
                    directory.resolve(file), Files.readAllBytes(original(name).resolve(file)));
        }
    }

    private void load() {
        try (Checkpoint checkpoint = LOADER.open(directory.toString(), LoadOptions.defaults())) {
            checkpoint.readWeights((name, weight) -> assertThat(name).isNotEmpty());
        }
    }

    private void set(String key, String value) throws IOException {
        Path file = directory.resolve("config.json");
        String config = Files.readString(file).replaceAll(",?\\s*\"" + key + "\": [^,}]*", "");
        Files.writeString(file, config.replaceFirst("\\{\\s*,?", "{\"" + key + "\": " + value + ","));
    }

    @ParameterizedTest
    @CsvSource({
        "num_hidden_layers, 1.5",
        "num_hidden_layers, 1e-3",
        "num_hidden_layers, 3000000000",
        "num_hidden_layers, 18446744073709551618",
        "num_hidden_layers, 1e9",
        "num_hidden_layers, 100000",
        "num_attention_heads, 4.9",
        "hidden_size, 9223372036854775807",
        "head_dim, 1e9",
        "vocab_size, 3000000000",
        "rms_norm_eps, NaN",
        "rms_norm_eps, -1",
        "rms_norm_eps, Infinity",
        "rope_theta, 0"
    })
    void aNumberThatMakesNoSenseIsRefusedWithFileKeyAndValue(String key, String value) throws IOException {
        copy("llama-spaces");
        set(key, value);
        String end = value.equals("1e9") ? "1.0E9" : value.equals("1e-3") ? "0.001" : value;
        assertTimeout(
                Duration.ofSeconds(2),
                () -> assertThatIllegalArgumentException()
                        .isThrownBy(this::load)
                        .withMessageContainingAll("config.json", "'" + key + "' should be ", "found " + end));
    }

    @Test
    void moreLayersThanTensorsAreRefusedBeforeTheyAreLookedFor() throws IOException {
        copy("llama-spaces");
        set("num_hidden_layers", "9999");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("config.json", "9999 layers", "tensors");
    }

    /** Configs of well-known models, made small: whatever keys they have, they are read. */
    @Test
    void everyConfigOfAKnownModelIsRead() throws IOException {
        List<String> lines;
        try (InputStream in = Objects.requireNonNull(Fixtures.class.getResourceAsStream("configs.jsonl"))) {
            lines = new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        }
        assertThat(lines).hasSizeGreaterThanOrEqualTo(40);
        ObjectMapper mapper = new ObjectMapper();
        for (String line : lines) {
            JsonNode entry = mapper.readTree(line);
            JsonNode config = entry.get("config");
            Map<String, Object> values = mapper.convertValue(config, new TypeReference<Map<String, Object>>() {});
            CheckpointConfig json = new CheckpointConfig(entry.get("name").asText(), values);
            TransformerConfig read = Architectures.accepting(json).configure(json);
            String name = entry.toString();
            assertThat(read.nLayers())
                    .as(name)
                    .isEqualTo(config.path("n_layer")
                            .asInt(config.path("num_hidden_layers").asInt()));
            assertThat(read.dModel())
                    .as(name)
                    .isEqualTo(config.path("n_embd")
                            .asInt(config.path("hidden_size").asInt()));
            assertThat(read.dVocab())
                    .as(name)
                    .isEqualTo(config.path("vocab_size").asInt());
        }
    }

    @Test
    void quantisedWeightsAreNamedAsSuch() throws IOException {
        copy("llama-quantized");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("config.json", "quantised (gptq)", "Load the model it was made from");
        Files.writeString(
                directory.resolve("config.json"),
                "{\"model_type\": \"gemma3\", \"text_config\": {\"quantization_config\": {\"quant_method\": \"fp8\"}}}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("config.json › text_config", "quantised (fp8)");
    }

    /** Expected values: transformers 5.18, which leaves {@code partial_rotary_factor} of a LLaMA config alone. */
    @Test
    void llamaTurnsWholeHeadsWhateverItsConfigSays() {
        Path llama = original("llama-partial-rotary");
        try (SafetensorsFile expected = SafetensorsFile.open(llama.resolve("expected.safetensors"));
                HookedTransformer model = Models.load(llama, LoadOptions.noProcessing())) {
            HostTensor ids = expected.read("tokens");
            long[] tokens = new long[5];
            Arrays.setAll(tokens, i -> (long) ids.getDouble(i));
            HostTensor logits = expected.read("logits");
            double[][] found = Models.logits(model, tokens);
            for (int i = 0; i < 5 * 40; i++) {
                assertThat(found[i / 40][i % 40]).isCloseTo(logits.getDouble(i), within(1e-4));
            }
        }
    }

    /** Expected values: transformers 5.18, greedy. */
    @Test
    void batchesGenerateWhereTheEndOfTextIsBeyondTheVocabulary() {
        try (HookedTransformer model = Models.load(original("gpt2-bos-outside"), LoadOptions.noProcessing())) {
            List<long[]> rows = model.generate(
                    Tokens.pad(List.of(new long[] {5, 6, 7}, new long[] {8}), 0, true), GenerateOptions.greedy(3));
            assertThat(rows.get(0)).containsExactly(5, 6, 7, 40, 51, 35);
            assertThat(rows.get(1)).containsExactly(8, 55, 40, 51);
        }
    }

    @Test
    void anAdapterNamesItsBaseModel() throws IOException {
        Files.writeString(directory.resolve("adapter_config.json"), "{\"base_model_name_or_path\": \"some/base\"}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("adapter", "some/base", "merge_and_unload");
    }

    @Test
    void anAdapterBesideAConfigIsRecognised() throws IOException {
        copy("llama-spaces");
        Files.delete(directory.resolve("model.safetensors"));
        Files.writeString(directory.resolve("adapter_config.json"), "{\"base_model_name_or_path\": \"some/base\"}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("adapter", "some/base", "merge_and_unload");
    }

    @Test
    void anAdapterBesideFullWeightsIsTwoModels() throws IOException {
        copy("llama-spaces");
        Files.writeString(directory.resolve("adapter_config.json"), "{\"base_model_name_or_path\": \"some/base\"}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll("full weights and an adapter", "some/base", "merge_and_unload", "without");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ggufFilesAreRecognised(boolean besideAConfig) throws IOException {
        if (besideAConfig) {
            copy("llama-spaces");
            Files.delete(directory.resolve("model.safetensors"));
        }
        Path file = directory.resolve("some.Q4_K_M.gguf");
        Files.writeString(file, "GGUF....");
        assertThatIllegalArgumentException()
                .isThrownBy(this::load)
                .withMessageContainingAll(directory.toString(), "some.Q4_K_M.gguf", "GGUF", "gguf_file");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(file.toString(), LoadOptions.defaults()))
                .withMessageContainingAll("some.Q4_K_M.gguf", "GGUF", "gguf_file");
    }

    @ParameterizedTest
    @CsvSource({
        "n_head, 2.5",
        "n_head, 0",
        "n_embd, 9223372036854775807",
        "n_layer, 1e9",
        "n_layer, 100000",
        "n_layer, 18446744073709551618",
        "layer_norm_epsilon, NaN",
        "layer_norm_epsilon, -1",
        "vocab_size, 3000000000"
    })
    void numbersOfAGpt2ConfigAreCheckedAlike(String key, String value) throws IOException {
        copyFixture("gpt2-random");
        set(key, value);
        assertRefusedAtOnce(key, value);
    }

    @ParameterizedTest
    @CsvSource({"sliding_window, 0", "sliding_window, 2.5", "sliding_window, -1"})
    void numbersOfAMistralConfigAreCheckedAlike(String key, String value) throws IOException {
        copyFixture("mistral-random");
        set(key, value);
        assertRefusedAtOnce(key, value);
    }

    @ParameterizedTest
    @CsvSource({"rotary_pct, 2", "rotary_pct, NaN", "rotary_pct, -1"})
    void numbersOfANeoXConfigAreCheckedAlike(String key, String value) throws IOException {
        copyFixture("neox-random");
        String config = Files.readString(directory.resolve("config.json"));
        Files.writeString(
                directory.resolve("config.json"),
                config.replaceAll("\"(rope_scaling|rope_parameters)\": *\\{[^}]*\\},?", ""));
        set(key, value);
        assertRefusedAtOnce(key, value);
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "Infinity", "0", "-2"})
    void aRopeFactorThatMakesNoSenseIsRefused(String value) throws IOException {
        copy("llama-spaces");
        String config = Files.readString(directory.resolve("config.json"));
        Files.writeString(
                directory.resolve("config.json"),
                config.replaceAll("\"(rope_scaling|rope_parameters)\": *(null|\\{[^}]*\\}),?", "")
                        .replaceFirst(
                                "\\{", "{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": " + value + "},"));
        assertRefusedAtOnce("factor", value);
    }

    private void assertRefusedAtOnce(String key, String value) {
        assertTimeout(
                Duration.ofSeconds(1),
                () -> assertThatIllegalArgumentException()
                        .isThrownBy(this::load)
                        .withMessageContainingAll("config.json", "'" + key + "' should be ", "found "));
    }

    private void copyFixture(String name) throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            try (InputStream in = Objects.requireNonNull(
                    UntrustedFilesTest.class.getResourceAsStream("/dev/loupe/fixtures/" + name + "/" + file))) {
                Files.copy(in, directory.resolve(file));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"config.json", "model.safetensors"})
    void aGitLfsPointerIsRecognised(String file) throws IOException {
        copy("llama-spaces");
        Files.writeString(
                directory.resolve(file), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 67024\n");
        assertThatIllegalArgumentException().isThrownBy(this::load).withMessageContainingAll(file, "git lfs pull");
    }

    @Test
    void noSecretIsRepeated() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HubSettings.from(Map.of("HF_TOKEN", "hf_first\nsecond")))
                .withMessageContaining("HF_TOKEN")
                .satisfies(
                        e -> assertThat(e.toString()).doesNotContain("hf_first").doesNotContain("second"));
        for (String endpoint : new String[] {"https://me:pass@example.org", "https://me:pass word@example.org"}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> HubSettings.from(Map.of("HF_ENDPOINT", endpoint)))
                    .withMessageContaining("HF_ENDPOINT")
                    .withNoCause()
                    .satisfies(e ->
                            assertThat(e.toString()).doesNotContain("pass@").doesNotContain("me:"));
        }
    }
}
