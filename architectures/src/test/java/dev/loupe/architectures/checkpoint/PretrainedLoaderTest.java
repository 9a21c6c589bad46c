package dev.loupe.architectures.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architectures.hub.FakeHub;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PretrainedLoaderTest {

    private static final PretrainedLoader LOADER = new PretrainedLoader(Map.of("HF_HUB_OFFLINE", "1"));

    @TempDir
    Path directory;

    private static Map<String, HostTensor> read(Checkpoint checkpoint) {
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        checkpoint.readWeights(
                (name, weight) -> assertThat(weights.put(name, weight)).isNull());
        return weights;
    }

    private static Map<String, HostTensor> read(String name, LoadOptions options) {
        try (Checkpoint checkpoint = LOADER.open(name, options)) {
            return read(checkpoint);
        }
    }

    private static String gpt2() {
        return Fixtures.directory(Fixtures.GPT2).toString();
    }

    /** A copy of the GPT-2 fixture with some tensors changed; a change to null leaves one out. */
    private Path copy(UnaryOperator<Map<String, HostTensor>> change) throws IOException {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(Path.of(gpt2(), "model.safetensors"))) {
            file.names().forEach(name -> tensors.put(name, file.read(name)));
        }
        SafetensorsWriter writer = new SafetensorsWriter();
        change.apply(tensors).forEach(writer::add);
        Path copy = Files.createDirectory(directory.resolve("copy"));
        writer.write(copy.resolve("model.safetensors"));
        Files.copy(Path.of(gpt2(), "config.json"), copy.resolve("config.json"));
        return copy;
    }

    private static LoadOptions raw() {
        return LoadOptions.noProcessing();
    }

    // From files to weights

    static List<String> fixtures() {
        return Fixtures.names();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void logitsAgreeWithHuggingFaceTransformers(String fixture) {
        for (LoadOptions options : List.of(raw(), LoadOptions.defaults())) {
            try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture));
                    HookedTransformer model = HookedTransformer.fromPretrained(
                            Fixtures.directory(fixture).toString(), options)) {
                float[] expected = centred(golden.read("hf.logits"));
                HostTensor tokens = golden.read("tokens");
                float[] logits = centred(model.forward(Tokens.of(rows(tokens))).toHost());
                for (int i = 0; i < expected.length; i++) {
                    assertThat(logits[i]).as("logit %d", i).isCloseTo(expected[i], within(1e-4f));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void weightsThatLieInSeveralBuffersAreTheSameWeights(String fixture) {
        String name = Fixtures.directory(fixture).toString();
        // The longest row of the fixtures is one of the unembedding, 113 elements of 8 bytes.
        PretrainedLoader inParts = new PretrainedLoader(Map.of("HF_HUB_OFFLINE", "1"), 1000);
        LoadOptions defaults = LoadOptions.defaults();
        for (LoadOptions options : List.of(
                raw(),
                defaults,
                raw().withDType(DType.FLOAT64),
                defaults.withRefactorFactoredAttnMatrices(true).withDType(DType.FLOAT64))) {
            Map<String, HostTensor> expected = read(name, options);
            Map<String, HostTensor> found;
            try (Checkpoint checkpoint = inParts.open(name, options)) {
                found = read(checkpoint);
            }
            assertThat(found.keySet()).isEqualTo(expected.keySet());
            assertThat(found.values()).anyMatch(weight -> weight.parts().size() > 1);
            found.forEach((weight, tensor) -> assertThat(tensor.toDoubleArray())
                    .as("%s with %s", weight, options)
                    .isEqualTo(expected.get(weight).toDoubleArray()));
        }
    }

    private static long[][] rows(HostTensor tokens) {
        long[] all = tokens.toLongArray();
        int length = (int) tokens.shape().size(1);
        long[][] rows = new long[(int) tokens.shape().size(0)][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(all, i * length, (i + 1) * length);
        }
        return rows;
    }

    /** Centred over the vocabulary, which processing does and which means nothing. */
    private static float[] centred(HostTensor logits) {
        float[] values = logits.toFloatArray();
        int vocabulary = (int) logits.shape().size(-1);
        for (int row = 0; row < values.length; row += vocabulary) {
            double mean = 0;
            for (int i = 0; i < vocabulary; i++) {
                mean += values[row + i] / (double) vocabulary;
            }
            for (int i = 0; i < vocabulary; i++) {
                values[row + i] -= (float) mean;
            }
        }
        return values;
    }

    @Test
    void weightsAreArrangedAsTheGraphWantsThem() {
        Map<String, HostTensor> weights = read(gpt2(), raw());
        try (SafetensorsFile file = SafetensorsFile.open(Path.of(gpt2(), "model.safetensors"))) {
            HostTensor joint = file.read("transformer.h.1.attn.c_attn.weight");
            HostTensor keys = weights.get("blocks.1.attn.W_K");
            assertThat(keys.shape()).isEqualTo(Shape.of(24, 24));
            // Queries, keys and values stand side by side in [24, 72].
            assertThat(keys.getDouble(5 * 24 + 3)).isEqualTo(joint.getDouble(5 * 72 + 24 + 3));
            HostTensor embedding = file.read("transformer.wte.weight");
            HostTensor unembedding = weights.get("unembed.W_U");
            assertThat(unembedding.shape()).isEqualTo(Shape.of(24, 113));
            assertThat(unembedding.getDouble(7 * 113 + 100)).isEqualTo(embedding.getDouble(100 * 24 + 7));
        }
    }

    @Test
    void aModelIsLoadedInItsCheckpointsOwnTypeIfThatIsAskedFor() {
        try (Backend backend = Backends.open("reference", BackendOptions.DEFAULT)) {
            for (Map.Entry<String, DType> stored : Map.of(
                            Fixtures.LLAMA_SHARDED_BF16, DType.BFLOAT16,
                            Fixtures.LLAMA, DType.FLOAT32)
                    .entrySet()) {
                String name = Fixtures.directory(stored.getKey()).toString();
                try (HookedTransformer model = HookedTransformer.fromPretrained(
                        name, LoadOptions.defaults().withAutoDType(), backend)) {
                    assertThat(model.options().dtype()).isEqualTo(stored.getValue());
                }
            }
        }
    }

    @Test
    void sixteenBitsAreWidenedOrKeptAsAskedFor() {
        String name = Fixtures.directory(Fixtures.LLAMA_SHARDED_BF16).toString();
        Map<String, HostTensor> kept = read(name, raw().withDType(DType.BFLOAT16));
        Map<String, HostTensor> widened = read(name, raw());
        Map<String, HostTensor> wider = read(name, raw().withDType(DType.FLOAT64));
        assertThat(kept.keySet()).isEqualTo(widened.keySet()).isEqualTo(wider.keySet());
        kept.forEach((weight, tensor) -> {
            assertThat(tensor.dtype()).isEqualTo(DType.BFLOAT16);
            assertThat(widened.get(weight).dtype()).isEqualTo(DType.FLOAT32);
            assertThat(widened.get(weight).toDoubleArray())
                    .as(weight)
                    .isEqualTo(tensor.toDoubleArray())
                    .isEqualTo(wider.get(weight).toDoubleArray());
        });
        // Processed in float32, rounded once at the end.
        Map<String, HostTensor> processed = read(name, LoadOptions.defaults());
        read(name, LoadOptions.defaults().withDType(DType.BFLOAT16))
                .forEach((weight, tensor) -> assertThat(tensor.data())
                        .as(weight)
                        .isEqualTo(processed.get(weight).to(DType.BFLOAT16).data()));
    }

    @Test
    void onlyTheFirstLayersAreReadIfSoAskedAndNobodyIsWarnedOfTheOthers() {
        List<String> warnings = warnings(() -> {
            try (Checkpoint checkpoint = LOADER.open(gpt2(), raw().withFirstNLayers(2))) {
                assertThat(checkpoint.config().nLayers()).isEqualTo(2);
                assertThat(read(checkpoint).keySet())
                        .contains("blocks.1.mlp.W_in")
                        .noneMatch(name -> name.startsWith("blocks.2."));
            }
        });
        assertThat(warnings).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(gpt2(), raw().withFirstNLayers(4)))
                .withMessageContaining("has 3 layers; firstNLayers can be 0 to 3, not 4");
    }

    @Test
    void aShorterContextTakesTheFirstPositions() {
        HostTensor all = read(gpt2(), raw()).get("pos_embed.W_pos");
        HostTensor some = read(gpt2(), raw().withNCtx(16)).get("pos_embed.W_pos");
        assertThat(some.shape()).isEqualTo(Shape.of(16, 24));
        assertThat(some.toFloatArray()).isEqualTo(Arrays.copyOf(all.toFloatArray(), 16 * 24));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(gpt2(), raw().withNCtx(49)))
                .withMessageContaining("48 positions; nCtx can be 1 to 48, not 49");
        String llama = Fixtures.directory(Fixtures.LLAMA).toString();
        try (Checkpoint rotary = LOADER.open(llama, raw().withNCtx(1000))) {
            assertThat(rotary.config().nCtx()).isEqualTo(1000);
        }
    }

    @Test
    void theConfigCarriesTheNameAndWhatGenerationStopsAt() throws IOException {
        Path copy = copy(tensors -> tensors);
        Files.writeString(copy.resolve("generation_config.json"), "{\"eos_token_id\": [5, 7]}");
        try (Checkpoint checkpoint = LOADER.open(copy.toString(), raw().withDefaultPrependBos(false))) {
            assertThat(checkpoint.config().modelName()).isEqualTo(copy.toString());
            assertThat(checkpoint.config().eosIds()).contains(5L, 7L);
            assertThat(checkpoint.config().defaultPrependBos()).isFalse();
            assertThat(checkpoint.architecture().id()).isEqualTo("gpt2");
        }
    }

    @Test
    void withoutATokenizerIdsStillWorkAndTextSaysWhatIsMissing() {
        try (HookedTransformer model = HookedTransformer.fromPretrained(gpt2())) {
            assertThat(model.forward(Tokens.of(new long[][] {{1, 2, 3}})).shape())
                    .isEqualTo(Shape.of(1, 3, 113));
            assertThatThrownBy(() -> model.toTokens("text")).hasMessageContaining("has no tokenizer.json");
        }
    }

    @Test
    void bundledModelsAreReadOutOfAJarAsOutOfADirectory() throws Exception {
        assertThat(JarredModels.digest()).isEqualTo(JarredModels.digestOutOfJar(directory.resolve("models.jar")));
    }

    // Names

    @Test
    void anUnknownNameIsAnsweredWithNamesNearItAndHowModelsAreNamed() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open("toy-gtp2", raw()))
                .withMessageContaining("There is no model 'toy-gtp2'")
                .withMessageContaining("toy-gpt2")
                .withMessageContaining("toy-mistral")
                .withMessageContaining("org/name@revision");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open("gpt2-smal", raw()))
                .withMessageContaining("gpt2-small");
        for (String odd : List.of("", " ", "a/b/c", "\0", "../nowhere/at/all")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LOADER.open(odd, raw()))
                    .withMessageContaining("There is no model '" + odd + "'");
        }
    }

    @Test
    void aFileInPlaceOfADirectoryIsExplained() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(gpt2() + "/model.safetensors", raw()))
                .withMessageContaining("is a file. Give the directory it is in");
    }

    @Test
    void aNameThatCouldBeADirectoryOrARepositoryIsLookedForAsBoth() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open("models/mine", raw()))
                .withMessageContaining("models/mine is not in the cache")
                .withMessageContaining("Nor is there a directory 'models/mine'");
    }

    @Test
    void aRevisionOfSomethingLocalIsRefused() {
        for (String name : List.of("toy-gpt2", gpt2())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LOADER.open(name, raw().withRevision("v2")))
                    .withMessageContaining("Revision 'v2' was asked for, but '" + name + "' is on this machine");
        }
    }

    @Test
    void theLoaderNamesWhatItBrings() {
        assertThat(LOADER.bundled()).containsExactly("toy-gpt2", "toy-llama", "toy-mistral");
    }

    // Configs that don't work

    @Test
    void aDirectoryWithoutAConfigIsNoCheckpoint() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .withMessageContaining(directory + " has no config.json");
    }

    @Test
    void aConfigThatIsNotJsonSaysWhereItBreaks() throws IOException {
        Files.writeString(directory.resolve("config.json"), "{\n  \"model_type\": gpt2\n}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .withMessageContaining(directory + "/config.json is not JSON")
                .withMessageContaining("line 2, column");
        for (String other : List.of("[]", "17", "null", "", "{} {}")) {
            Files.writeString(directory.resolve("config.json"), other);
            assertThatIllegalArgumentException()
                    .as(other)
                    .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                    .withMessageContaining("config.json");
        }
        Files.delete(directory.resolve("config.json"));
        Files.createDirectory(directory.resolve("config.json"));
        assertThatThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("Can't read " + directory + "/config.json");
    }

    @Test
    void anUnknownArchitectureIsNamedBesideThoseInstalled() throws IOException {
        Files.writeString(
                directory.resolve("config.json"),
                "{\"model_type\": \"mamba\", \"architectures\": [\"MambaForCausalLM\"]}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .withMessageContaining("'mamba'")
                .withMessageContaining("MambaForCausalLM")
                .withMessageContaining("gpt2, llama, mistral");
    }

    // Weights that don't fit

    @Test
    void missingTensorsAreNamed() throws IOException {
        Path copy = copy(tensors -> {
            tensors.remove("transformer.h.1.mlp.c_fc.weight");
            tensors.remove("transformer.ln_f.bias");
            return tensors;
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("lacks 2 tensors")
                .withMessageContaining("transformer.h.1.mlp.c_fc.weight")
                .withMessageContaining("transformer.ln_f.bias");
    }

    @Test
    void aWrongShapeSaysWhatWasFoundAndWhatWasExpected() throws IOException {
        Path copy = copy(tensors -> {
            tensors.put("transformer.wpe.weight", HostTensor.allocate(DType.FLOAT32, Shape.of(40, 24)));
            tensors.put("transformer.ln_f.bias", HostTensor.allocate(DType.INT64, Shape.of(24)));
            return tensors;
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("transformer.wpe.weight has shape [40, 24], expected [48, 24]")
                .withMessageContaining("transformer.ln_f.bias has type I64, expected F32");
    }

    @Test
    void tensorsThatNobodyKnowsAreWarnedOfByName() throws IOException {
        Path copy = copy(tensors -> {
            tensors.put("score.weight", HostTensor.of(Shape.of(1), 1f));
            tensors.put("transformer.h.0.attn.bias", HostTensor.of(Shape.of(1), true));
            return tensors;
        });
        List<String> warnings =
                warnings(() -> LOADER.open(copy.toString(), raw()).close());
        assertThat(warnings).singleElement().asString().contains("1 tensor", "score.weight", copy.toString());
    }

    private static List<String> warnings(Runnable action) {
        List<String> messages = new ArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord message) {
                messages.add(new SimpleFormatter().formatMessage(message));
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger(MappingCheck.class.getName());
        logger.addHandler(handler);
        try {
            action.run();
        } finally {
            logger.removeHandler(handler);
        }
        return messages;
    }

    @Test
    void aPickledCheckpointSaysHowToConvertIt() throws IOException {
        Files.copy(Path.of(gpt2(), "config.json"), directory.resolve("config.json"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .withMessageContaining("neither model.safetensors nor model.safetensors.index.json");
        Files.writeString(directory.resolve("pytorch_model.bin"), "pickle");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(directory.toString(), raw()))
                .withMessageContaining("pytorch_model.bin")
                .withMessageContaining("python -c")
                .withMessageContaining("safe_serialization=True")
                .withMessageContaining(directory.toString());
    }

    @Test
    void aTruncatedFileIsNamed() throws IOException {
        Path copy = copy(tensors -> tensors);
        byte[] bytes = Files.readAllBytes(copy.resolve("model.safetensors"));
        Files.write(copy.resolve("model.safetensors"), Arrays.copyOf(bytes, bytes.length / 2));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("model.safetensors")
                .withMessageContaining("truncated");
    }

    // Shards

    private Path shards(String index) throws IOException {
        Path from = Fixtures.directory(Fixtures.LLAMA_SHARDED_BF16);
        Path copy = Files.createDirectory(directory.resolve("shards"));
        try (Stream<Path> files = Files.list(from)) {
            for (Path file :
                    files.filter(path -> !path.toString().contains("golden")).toList()) {
                Files.copy(file, copy.resolve(file.getFileName().toString()));
            }
        }
        if (!index.isEmpty()) {
            Files.writeString(copy.resolve("model.safetensors.index.json"), index);
        }
        return copy;
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        Path copy = shards("");
        Files.delete(copy.resolve("model-00003-of-00004.safetensors"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("lacks 1 of its 4 files of weights")
                .withMessageContaining("model-00003-of-00004.safetensors");
    }

    @Test
    void aTensorThatIsNotWhereTheIndexSaysIsNamed() throws IOException {
        Path copy = shards("");
        Path index = copy.resolve("model.safetensors.index.json");
        String text = Files.readString(index);
        Files.writeString(index, text.replace("\"model.norm.weight\"", "\"model.lost.weight\""));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("'model.lost.weight'")
                .withMessageContaining("but it isn't there");
        Files.writeString(
                index,
                text.replaceAll("(\"model.embed_tokens.weight\": \"model-0000).(-of-00004.safetensors\")", "$14$2"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("'model.embed_tokens.weight' is in model-00004")
                .withMessageContaining("but it is in");
    }

    @Test
    void aTensorInTwoShardsIsNamed() throws IOException {
        Path copy = shards("");
        Files.copy(
                copy.resolve("model-00001-of-00004.safetensors"),
                copy.resolve("model-00002-of-00004.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                .withMessageContaining("is in two files")
                .withMessageContaining("model-00001-of-00004.safetensors")
                .withMessageContaining("model-00002-of-00004.safetensors");
    }

    @Test
    void shardsThatHoldNothingWantedAreNotNeeded() throws IOException {
        Path copy = shards("");
        // It holds parts of layers 1 and 2.
        Files.delete(copy.resolve("model-00003-of-00004.safetensors"));
        try (Checkpoint checkpoint = LOADER.open(copy.toString(), raw().withFirstNLayers(1))) {
            assertThat(read(checkpoint).keySet()).contains("blocks.0.mlp.W_in").doesNotContain("blocks.1.mlp.W_in");
        }
    }

    @Test
    void anIndexThatIsNoneOrLeadsElsewhereIsRefused() throws IOException {
        Path copy = shards("{\"metadata\": {}}");
        Path index = copy.resolve("model.safetensors.index.json");
        Map<String, String> refused = new HashMap<>();
        refused.put("{\"metadata\": {}}", "'weight_map'");
        refused.put("{\"weight_map\": {\"a\": 7}}", ".safetensors file for 'a'");
        refused.put("{\"weight_map\": {\"a\": \"../../evil.safetensors\"}}", "is refused as the name of a file");
        refused.put("{\"weight_map\": {\"a\": \"/evil.safetensors\"}}", "is refused as the name of a file");
        refused.put("{\"weight_map\": {\"a\": \"evil.bin\"}}", ".safetensors file for 'a'");
        refused.put("{\"weight_map\": ", "not JSON");
        for (Map.Entry<String, String> entry : refused.entrySet()) {
            Files.writeString(index, entry.getKey());
            assertThatIllegalArgumentException()
                    .as(entry.getKey())
                    .isThrownBy(() -> LOADER.open(copy.toString(), raw()))
                    .withMessageContaining(entry.getValue());
        }
    }

    // From the Hub

    private static FakeHub serve(FakeHub hub, String repository, Path from) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(".safetensors")) {
                    hub.largeFile(repository, name, Files.readAllBytes(file));
                } else {
                    hub.file(repository, name, Files.readAllBytes(file));
                }
            }
        }
        return hub;
    }

    @Test
    void aModelOnTheHubIsFetchedOnceAndLoadsFromTheCacheAfterwards() throws IOException {
        try (FakeHub hub = serve(new FakeHub(), "org/sharded", Fixtures.directory(Fixtures.LLAMA_SHARDED_BF16))) {
            Map<String, String> environment = hub.environment(directory);
            Map<String, HostTensor> fetched;
            try (Checkpoint checkpoint = new PretrainedLoader(environment).open("org/sharded@main", raw())) {
                fetched = read(checkpoint);
            }
            assertThat(hub.requests())
                    .extracting(FakeHub.Request::path)
                    .as("only what is needed")
                    .noneMatch(path -> path.contains("golden") || path.contains("README"));
            int asked = hub.requests().size();

            environment.put("HF_HUB_OFFLINE", "1");
            try (Checkpoint checkpoint = new PretrainedLoader(environment).open("org/sharded", raw())) {
                Map<String, HostTensor> cached = read(checkpoint);
                Map<String, HostTensor> local =
                        read(Fixtures.directory(Fixtures.LLAMA_SHARDED_BF16).toString(), raw());
                assertThat(cached.keySet()).isEqualTo(fetched.keySet()).isEqualTo(local.keySet());
                local.forEach((name, weight) ->
                        assertThat(cached.get(name).data()).as(name).isEqualTo(weight.data()));
            }
            assertThat(hub.requests()).hasSize(asked);
        }
    }

    @Test
    void anAliasLeadsToItsRepository() throws IOException {
        try (FakeHub hub = serve(new FakeHub(), "openai-community/gpt2", Fixtures.directory(Fixtures.GPT2))) {
            PretrainedLoader loader = new PretrainedLoader(hub.environment(directory));
            try (Checkpoint checkpoint = loader.open("gpt2-small", raw())) {
                assertThat(checkpoint.config().modelName()).isEqualTo("gpt2-small");
                assertThat(checkpoint.config().nLayers()).isEqualTo(3);
            }
        }
    }

    @Test
    void noWeightsAreFetchedForAModelThatCannotBeLoaded() throws IOException {
        try (FakeHub hub = new FakeHub()
                .file("org/odd", "config.json", "{\"model_type\": \"mamba\"}")
                .largeFile("org/odd", "model.safetensors", new byte[1000])
                .file("org/broken", "config.json", "<html>")
                .file("org/empty", "README.md", "nothing here")
                .file("org/pickled", "config.json", Files.readAllBytes(Path.of(gpt2(), "config.json")))
                .largeFile("org/pickled", "pytorch_model.bin", "pickle".getBytes(StandardCharsets.UTF_8))
                .file("org/evil", "config.json", Files.readAllBytes(Path.of(gpt2(), "config.json")))
                .file(
                        "org/evil",
                        "model.safetensors.index.json",
                        "{\"weight_map\": {\"a\": \"../../../evil.safetensors\"}}")) {
            PretrainedLoader loader = new PretrainedLoader(hub.environment(directory));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/odd", raw()))
                    .withMessageContaining("mamba");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/broken", raw()))
                    .withMessageContaining("org/broken/config.json is not JSON");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/empty", raw()))
                    .withMessageContaining("org/empty has no config.json");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/pickled", raw()))
                    .withMessageContaining("pytorch_model.bin")
                    .withMessageContaining("from_pretrained('org/pickled')");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/evil", raw()))
                    .withMessageContaining("evil.safetensors' is refused");
            assertThat(hub.requests("GET model.safetensors")).isEmpty();
            assertThat(hub.requests("GET pytorch_model.bin")).isEmpty();
            try (Stream<Path> files = Files.walk(directory.resolve("hub"))) {
                assertThat(files.map(path -> path.getFileName().toString()))
                        .noneMatch(name -> name.endsWith(".incomplete") || name.endsWith(".tmp"))
                        .noneMatch(name -> name.contains("evil.safetensors"));
            }
        }
    }

    @Test
    void aRepositoryOfGgufFilesIsRecognisedOnTheHubToo() throws IOException {
        byte[] config = Files.readAllBytes(Path.of(gpt2(), "config.json"));
        try (FakeHub hub = new FakeHub()
                .largeFile("org/bare", "some.Q4_K_M.gguf", new byte[1000])
                .file("org/beside", "config.json", config)
                .largeFile("org/beside", "some.Q8_0.gguf", new byte[1000])) {
            PretrainedLoader loader = new PretrainedLoader(hub.environment(directory));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/bare", raw()))
                    .withMessageContainingAll("org/bare", "some.Q4_K_M.gguf", "GGUF", "gguf_file");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loader.open("org/beside", raw()))
                    .withMessageContainingAll("org/beside", "some.Q8_0.gguf", "GGUF", "gguf_file");
            assertThat(hub.requests("GET some.Q8_0.gguf")).isEmpty();
        }
    }
}
