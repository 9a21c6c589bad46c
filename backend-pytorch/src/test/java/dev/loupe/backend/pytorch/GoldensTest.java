package dev.loupe.backend.pytorch;

import static dev.loupe.fixtures.CentredUnembedding.centredUnderSoftCap;
import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What TransformerLens and Hugging Face transformers compute for the fixtures, in float32. */
class GoldensTest {

    private static final double TOLERANCE = 1e-4;

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = new PyTorchBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    static Stream<String> fixtures() {
        return Fixtures.names().stream();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyHookPointOfTheUnprocessedModelIsTransformerLens(String fixture) {
        compareHooks(fixture, LoadOptions.noProcessing(), "raw.");
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyHookPointOfTheProcessedModelIsTransformerLens(String fixture) {
        compareHooks(fixture, LoadOptions.defaults(), "proc.");
    }

    private static void compareHooks(String fixture, LoadOptions options, String prefix) {
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture));
                HookedTransformer model = load(fixture, options)) {
            List<String> names = model.hookNames().points().stream()
                    .map(HookPoint::name)
                    .filter(name -> golden.contains(prefix + name))
                    .toList();
            assertThat(names).hasSizeGreaterThan(50);
            try (CachedRun run = model.runWithCache(Fixtures.tokens(golden.read("tokens")), HookFilter.names(names))) {
                for (String name : names) {
                    try (Tensor expected = model.tensors().of(golden.read(prefix + name))) {
                        Tensor value = run.cache().get(name);
                        Tensor found = prefix.equals("proc.") ? centredUnderSoftCap(model, name, value) : value;
                        assertThat(found.maxAbsDifference(expected))
                                .as(fixture + " " + prefix + name)
                                .isLessThan(TOLERANCE);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void leftPaddingAndGreedyGenerationAreThoseOfHuggingFace(String fixture) {
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture));
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            Tokens whole = Fixtures.tokens(golden.read("hf.left_padded.tokens"));
            long[] mask = golden.read("hf.left_padded.attention_mask").toLongArray();
            boolean[][] real = new boolean[whole.batch()][whole.positions()];
            for (int i = 0; i < mask.length; i++) {
                real[i / whole.positions()][i % whole.positions()] = mask[i] != 0;
            }
            Tensor isReal = model.tensors()
                    .of(mask, whole.batch(), whole.positions(), 1)
                    .to(DType.FLOAT32);
            Tensor difference = model.forward(Tokens.of(whole.ids(), real))
                    .sub(model.tensors().of(golden.read("hf.left_padded.logits")));
            assertThat(difference.mul(isReal).abs().max().item()).isLessThan(TOLERANCE);
            Tokens tokens = Fixtures.tokens(golden.read("tokens"));
            GenerateOptions how = GenerateOptions.greedy(12).withStopAtEos(false);
            long[][] expected = Fixtures.tokens(golden.read("hf.greedy")).ids();
            assertThat(model.generate(tokens, how)).containsExactly(expected);
            assertThat(model.generate(tokens, how.withKeyValueCache(false))).containsExactly(expected);
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void aPlainRunGivesTheLogitsOfHuggingFace(String fixture) {
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture));
                HookedTransformer model = load(fixture, LoadOptions.noProcessing());
                Tensor logits = model.forward(Fixtures.tokens(golden.read("tokens")));
                Tensor expected = model.tensors().of(golden.read("hf.logits"))) {
            assertThat(logits.maxAbsDifference(expected)).isLessThan(TOLERANCE);
        }
    }

    private static HookedTransformer load(String fixture, LoadOptions options) {
        return HookedTransformer.fromPretrained(Fixtures.directory(fixture).toString(), options, backend);
    }
}
