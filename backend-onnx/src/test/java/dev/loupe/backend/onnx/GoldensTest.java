package dev.loupe.backend.onnx;

import static dev.loupe.fixtures.CentredUnembedding.centredUnderSoftCap;
import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What TransformerLens and Hugging Face transformers compute for the fixtures' runs, in float32. */
class GoldensTest {

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    static List<String> fixtures() {
        return Fixtures.names();
    }

    private static HookedTransformer load(String fixture, LoadOptions options) {
        return HookedTransformer.fromPretrained(Fixtures.directory(fixture).toString(), options, backend);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyHookPointOfTheUnprocessedModelIsTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            compare(golden, model, "raw.", HookFilter.everything());
            assertThat(golden.left("raw.")).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyHookPointOfTheProcessedModelIsTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.defaults())) {
            compare(golden, model, "proc.", HookFilter.standard());
            for (String points : List.of("logits", "blocks.", "hook_", "ln_final.", "unembed.")) {
                assertThat(golden.left("proc." + points)).as(points).isEmpty();
            }
        }
    }

    private static void compare(Golden golden, HookedTransformer model, String prefix, HookFilter points) {
        Tokens tokens = golden.tokens();
        try (CachedRun run = model.runWithCache(tokens, points)) {
            run.cache().items().forEach((name, value) -> {
                // The goldens have everything else.
                if (!name.endsWith("hook_attn_in") && !name.endsWith("mlp.hook_in")) {
                    Tensor found = prefix.equals("proc.") ? centredUnderSoftCap(model, name, value) : value;
                    golden.assertAgrees(prefix + name, found, tokens);
                }
            });
            if (prefix.equals("proc.")) {
                golden.assertAgrees("proc.logits", centredUnderSoftCap(model, "logits", run.logits()), tokens);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void aRunIsHuggingFace(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            Tokens tokens = golden.tokens();
            int layers = model.config().nLayers();
            try (CachedRun run = model.runWithCache(tokens);
                    Tensor alone = model.forward(tokens)) {
                golden.assertAgrees("hf.logits", run.logits(), tokens);
                golden.assertAgrees("hf.logits", alone, tokens);
                for (int layer = 0; layer < layers; layer++) {
                    golden.assertAgrees("hf.hidden." + layer, run.cache().get("resid_pre", layer), tokens);
                    golden.assertAgrees("hf.attention." + layer, run.cache().get("pattern", layer), tokens);
                }
                // Hugging Face's last hidden state is behind the final norm.
                golden.assertAgrees("hf.hidden." + layers, run.cache().get("unembed.hook_in"), tokens);
            }
            Tokens padded = golden.leftPadded();
            try (Tensor logits = model.forward(padded)) {
                golden.assertAgrees("hf.left_padded.logits", logits, padded);
            }
            GenerateOptions how = GenerateOptions.greedy(12).withStopAtEos(false);
            long[][] expected = golden.rows("hf.greedy");
            assertThat(model.generate(tokens, how)).containsExactly(expected);
            assertThat(model.generate(tokens, how.withKeyValueCache(false))).containsExactly(expected);
            assertThat(golden.left("hf.")).isEmpty();
        }
    }
}
