package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import com.fasterxml.jackson.databind.JsonNode;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.Help.Ansi;

final class CommandsTest {

    private static final String GPT2 = Fixtures.directory(Fixtures.GPT2).toString();

    /** The goldens' tokens as the command line takes them. */
    private static String goldenTokens(String fixture) {
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture))) {
            HostTensor tokens = golden.read("tokens");
            long[] flat = tokens.toLongArray();
            int width = (int) tokens.shape().size(1);
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < flat.length; i++) {
                text.append(i == 0 ? "" : i % width == 0 ? ";" : ",").append(flat[i]);
            }
            return text.toString();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw", "proc"})
    void cacheWritesWhatTheGoldensHold(String kind, @TempDir Path folder) {
        Path file = folder.resolve("cache.safetensors");
        List<String> args = new ArrayList<>(List.of(
                "cache",
                "--model",
                GPT2,
                "--tokens",
                goldenTokens(Fixtures.GPT2),
                "--out",
                file.toString(),
                "--backend",
                "reference",
                "--weights"));
        if (kind.equals("raw")) {
            args.add("--no-processing");
        }
        Cli cli = Cli.run(args.toArray(new String[0]));
        assertThat(cli.err()).isEmpty();
        assertThat(cli.exitCode()).isZero();
        try (SafetensorsFile written = SafetensorsFile.open(file);
                SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(Fixtures.GPT2))) {
            int compared = 0;
            for (String name : golden.names()) {
                String bare = name.startsWith(kind + ".") ? name.substring(kind.length() + 1) : "";
                if (written.contains(bare)) {
                    assertClose(name, written.read(bare), golden.read(name));
                    compared++;
                }
            }
            assertThat(compared).isGreaterThan(kind.equals("proc") ? 70 : 55);
            if (kind.equals("raw")) {
                assertClose("hf.logits", written.read("logits"), golden.read("hf.logits"));
            }
        }
    }

    private static void assertClose(String name, HostTensor found, HostTensor expected) {
        assertThat(found.shape()).as(name).isEqualTo(expected.shape());
        double[] a = found.toDoubleArray();
        double[] b = expected.toDoubleArray();
        for (int i = 0; i < a.length; i++) {
            if (a[i] != b[i]) {
                assertThat(a[i]).as("%s, element %d", name, i).isCloseTo(b[i], within(1e-4));
            }
        }
    }

    @Test
    void barsHaveRoomWhateverTheyShow() {
        Painter paint = new Painter(new PrintWriter(new StringWriter()), Ansi.OFF);
        for (double value : new double[] {0, -1, 3, -3.5, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThat(paint.bar(value, 2)).as("%s", value).hasSize(41);
            assertThat(paint.bar(value, 0)).as("%s of none", value).hasSize(41);
        }
        assertThat(paint.bar(-2, 2)).startsWith("█".repeat(20)).endsWith("│" + " ".repeat(20));
    }

    @Test
    void hookPointsAreListedWithTheirShapesWithoutWeights() {
        assertThat(Cli.run("describe", "toy-gpt2", "--hook-points").out().lines())
                .anyMatch(line -> line.matches("blocks.0.hook_resid_pre +\\[batch, pos, 128]"))
                .anyMatch(line -> line.startsWith("blocks.3.attn.hook_result") && line.endsWith("optional"));
    }

    @Test
    void nothingIsShownOfAGenerationThatCannotRun() {
        Cli cli = Cli.run("generate", "a", "--intervene", "resid_post 1 += no-such-file.safetensors:v");
        assertThat(cli.exitCode()).isNotZero();
        assertThat(cli.out()).isEmpty();
    }

    @Test
    void logitsThatAreNotFiniteAreAnErrorThatSaysWhereTheyBegan() {
        Cli cli = Cli.run("logits", "a", "--intervene", "resid_mid 2 *= nan");
        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(cli.out()).isEmpty();
        assertThat(cli.err()).contains("aren't finite", "first hook point with NaN is blocks.2.hook_resid_mid");
    }

    /** Of this prompt the lesser parts are more, together, than the largest one. */
    @Test
    void theLensScalesItsBarsToTheLargestThatIsShown() {
        Cli cli = Cli.run("lens", "two store to are", "--backend", "reference");
        assertThat(cli.exitCode()).as(cli.err()).isZero();
        assertThat(cli.out().lines().filter(line -> line.contains("others (")))
                .singleElement(STRING)
                .contains("█".repeat(20));
    }

    @Test
    void cacheWritesOptionalPointsWhenAPatternNamesThem(@TempDir Path folder) {
        Path file = folder.resolve("cache.safetensors");
        Cli cli = Cli.run("cache", "--prompt", "Hello", "--out", file.toString(), "--names", "*hook_result,hook_embed");
        assertThat(cli.exitCode()).isZero();
        try (SafetensorsFile written = SafetensorsFile.open(file)) {
            assertThat(written.names())
                    .containsExactlyInAnyOrder(
                            "tokens",
                            "logits",
                            "hook_embed",
                            "blocks.0.attn.hook_result",
                            "blocks.1.attn.hook_result",
                            "blocks.2.attn.hook_result",
                            "blocks.3.attn.hook_result");
        }
    }

    @Test
    void logitsNamesTheCapital() {
        JsonNode json = Cli.run("logits", "--prompt", "The capital of France is", "--top", "2", "--json")
                .json();
        JsonNode best = json.get("predictions").get(0).get("top").get(0);
        assertThat(best.get("token").asText()).isEqualTo(" Paris");
        assertThat(best.get("probability").asDouble()).isBetween(0.9, 1.0);
        assertThat(Cli.run("logits", "--prompt", "The capital of France is").out())
                .contains("\" Paris\"");
    }

    @Test
    void paddedTokensGiveTheLogitsOfTheGoldens() {
        Cli cli = Cli.run(
                "logits",
                "--model",
                GPT2,
                "--tokens",
                "0,0,5,6,7;8,9,10,11,12",
                "--attention-mask",
                "0,0,1,1,1;1,1,1,1,1",
                "--json",
                "--all-logits");
        Cli alone = Cli.run("logits", "--model", GPT2, "--tokens", "5,6,7", "--json", "--all-logits");
        JsonNode padded = cli.json().get("logits").get(0).get(4);
        JsonNode plain = alone.json().get("logits").get(0).get(2);
        for (int i = 0; i < plain.size(); i++) {
            assertThat(padded.get(i).asDouble()).isCloseTo(plain.get(i).asDouble(), within(1e-4));
        }
    }

    @Test
    void generateGivesTheGreedyTokensOfTheGoldens() {
        JsonNode json = Cli.run(
                        "generate",
                        "--model",
                        GPT2,
                        "--tokens",
                        goldenTokens(Fixtures.GPT2),
                        "--max-new-tokens",
                        "12",
                        "--ignore-eos",
                        "--json")
                .json();
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(Fixtures.GPT2))) {
            long[] expected = golden.read("hf.greedy").toLongArray();
            for (int i = 0; i < expected.length; i++) {
                assertThat(json.get("tokens").get(i / 25).get(i % 25).asLong()).isEqualTo(expected[i]);
            }
        }
        assertThat(json.has("text")).isFalse();
    }

    @Test
    void generateStreamsTextAndTheSeedDecides() {
        String[] args = {
            "generate",
            "--prompt",
            "When Mary and John went to the store, John gave a drink to",
            "--max-new-tokens",
            "1"
        };
        assertThat(Cli.run(args).out().strip()).endsWith("gave a drink to Mary");
        String sampled = sample("7").out();
        assertThat(sample("7").out()).isEqualTo(sampled);
        assertThat(sample("7", "--no-kv-cache").out()).isEqualTo(sampled);
        assertThat(sample("8").out()).isNotEqualTo(sampled);
    }

    private static Cli sample(String seed, String... more) {
        List<String> args = new ArrayList<>(List.of(
                "generate",
                "--prompt",
                "One day",
                "--max-new-tokens",
                "12",
                "--temperature",
                "1.2",
                "--top-k",
                "50",
                "--top-p",
                "0.95",
                "--freq-penalty",
                "0.1",
                "--ignore-eos",
                "--json",
                "--seed",
                seed));
        args.addAll(List.of(more));
        return Cli.run(args.toArray(new String[0]));
    }

    @Test
    void lensTellsHowTheNameIsFound() {
        String prompt = "When Mary and John went to the store, John gave a drink to";
        Cli plain = Cli.run("lens", prompt);
        assertThat(plain.exitCode()).isZero();
        assertThat(plain.out())
                .contains("\" Mary\"", "the last layer", "layer 3", "logit difference")
                .doesNotContain("\u001b");
        JsonNode json = Cli.run("lens", prompt, "--json").json();
        assertThat(json.get("predictions").get(0).get("token").asText()).isEqualTo(" Mary");
        JsonNode last = json.get("lens").get(json.get("lens").size() - 1);
        assertThat(last.get("rank").asInt()).isZero();
        double sum = 0;
        for (JsonNode part : json.get("logit_difference")) {
            sum += part.get("value").asDouble();
        }
        double difference = json.get("predictions").get(0).get("logit").asDouble()
                - json.get("predictions").get(1).get("logit").asDouble();
        assertThat(sum).isCloseTo(difference, within(1e-3));
        assertThat(json.get("attention")).hasSize(16);
    }

    @Test
    void lensWritesAPageThatNeedsNoNetwork(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("lens.html");
        assertThat(Cli.run("lens", "The capital of France is", "--html", page.toString())
                        .exitCode())
                .isZero();
        assertThat(Files.readString(page))
                .contains("Paris", "Direct logit attribution", "\"backend\"")
                .doesNotContain("<script src")
                .doesNotContain("<link");
    }

    private static final String[] PATCH = {
        "patch",
        "--clean",
        "When Mary and John went to the store, John gave a drink to",
        "--corrupt",
        "When Mary and John went to the store, Mary gave a drink to",
        "--answer",
        " Mary",
        "--wrong",
        " John"
    };

    private static Cli patch(String... more) {
        List<String> args = new ArrayList<>(List.of(PATCH));
        args.addAll(List.of(more));
        return Cli.run(args.toArray(new String[0]));
    }

    @Test
    void patchFindsTheNameAndTheLastPosition(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("patch.html");
        JsonNode json = patch("--json", "--html", page.toString()).json();
        assertThat(json.get("clean_logit_difference").asDouble()).isGreaterThan(5);
        assertThat(json.get("corrupted_logit_difference").asDouble()).isLessThan(-5);
        JsonNode values = json.get("values");
        // Token 10 is the name that differs: before the first layer all depends on it, after the last on the last one.
        assertThat(values.get(0).get(10).asDouble()).isCloseTo(1, within(1e-3));
        assertThat(values.get(3).get(14).asDouble()).isCloseTo(1, within(0.05));
        assertThat(values.get(3).get(10).asDouble()).isCloseTo(0, within(0.05));
        assertThat(Files.readString(page)).contains("resid_pre");
        assertThat(patch("--sweep", "attn_head_out_all_pos").out()).contains("layer 3", "H3");
        assertThat(patch("--sweep", "attn_head_out_by_pos").out()).contains("\" to\"");
    }

    @Test
    void patchSaysWhatIsWrongWithItsInput() {
        Cli lengths = Cli.run("patch", "--clean", "a b", "--corrupt", "a b c", "--answer", " a", "--wrong", " b");
        assertThat(lengths.err()).contains("as many tokens");
        assertThat(lengths.exitCode()).isEqualTo(1);
        assertThat(patch("--sweep", "resid_pro").err()).contains("resid_pre");
        Cli noSpace = Cli.run("patch", "--clean", "a", "--corrupt", "b", "--answer", "Mary and", "--wrong", " b");
        assertThat(noSpace.err()).contains("isn't one token");
        Cli same = Cli.run("patch", "--clean", "a b", "--corrupt", "a b", "--answer", " Mary", "--wrong", " John");
        assertThat(same.err()).contains("are the same");
        Cli one = Cli.run("patch", "--clean", "a", "--corrupt", "b", "--answer", " Mary", "--wrong", " Mary");
        assertThat(one.err()).contains("both \" Mary\"");
    }

    @Test
    void answersOfATokenizerThatPutsASpaceInFrontItselfAreOneTokenInBothSpellings() {
        String model = Fixtures.directory(Fixtures.LLAMA_SPACES).toString();
        String prompt = "When Mary and John went to the store John gave a drink to";
        for (String space : List.of("", " ")) {
            Cli both =
                    Cli.run("ablate", prompt, "--model", model, "--answer", space + "Mary", "--wrong", space + "John");
            assertThat(both.err()).doesNotContain("did you mean");
            assertThat(both.exitCode()).as(both.err()).isZero();
        }
        assertThat(Cli.run("ablate", prompt, "--model", model, "--answer", "Mary", "--wrong", " Mary")
                        .err())
                .contains("are the same token, 293");
    }

    @Test
    void anAnswerWithoutItsSpaceIsAskedAbout() {
        String prompt = PATCH[2];
        Cli bare = Cli.run("ablate", prompt, "--answer", "Mary", "--wrong", " John");
        assertThat(bare.exitCode()).isZero();
        assertThat(bare.err().lines()).singleElement().asString().contains("\" Mary\"", "\"Mary\"", "did you mean");
        assertThat(Cli.run("ablate", prompt, "--answer", " Mary", "--wrong", " John")
                        .err())
                .isEmpty();
        // At the beginning of a text names have no space.
        assertThat(Cli.run("ablate", "--tokens", "0", "--answer", "The", "--wrong", "When")
                        .err())
                .isEmpty();
    }

    @Test
    void patchDrawsStackedSweepsWithAPanelForEachOfThem(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("patch.html");
        Cli cli = patch("--sweep", "attn_head_all_pos_every", "--html", page.toString());
        assertThat(cli.exitCode()).isZero();
        assertThat(Files.readString(page))
                .contains("\"name\":\"out\"", "\"name\":\"pattern\"", "0 is the corrupted run (-21.9");
    }

    @Test
    void attentionGivesPatternsThatSumToOne(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("attention.html");
        JsonNode pattern = Cli.run(
                        "attention",
                        "The capital of France is",
                        "--layer",
                        "-1",
                        "--head",
                        "2",
                        "--json",
                        "--html",
                        page.toString())
                .json()
                .get("patterns")
                .get("L3H2");
        double sum = 0;
        for (JsonNode weight : pattern.get(4)) {
            sum += weight.asDouble();
        }
        assertThat(sum).isCloseTo(1, within(1e-5));
        assertThat(Files.readString(page)).contains("L3H2");
        assertThat(Cli.run("attention", "The capital of France is", "--layer", "0")
                        .out())
                .contains("L0H3", "\" France\"");
        assertThat(Cli.run("attention", "Hello", "--layer", "9").err()).contains("out of range");
    }

    @Test
    void headsFindsTheInductionHeadsOfToyLlama(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("heads.html");
        JsonNode scores = Cli.run("heads", "--model", "toy-llama", "--json", "--html", page.toString())
                .json();
        for (JsonNode score : scores.get("induction").get(1)) {
            assertThat(score.asDouble()).isGreaterThan(0.6);
        }
        assertThat(scores.get("induction").get(0).get(0).asDouble()).isLessThan(0.1);
        assertThat(Files.readString(page)).contains("what came next last time (induction)", "\"seed\",\"0\"");
        assertThat(Cli.run("heads").out()).contains("previous-token score", "H3");
    }

    @Test
    void ablateTellsWhatTheAnswerLoses(@TempDir Path folder) throws IOException {
        Path page = folder.resolve("ablate.html");
        String[] args = {
            "ablate",
            "When Mary and John went to the store, John gave a drink to",
            "--answer",
            " Mary",
            "--wrong",
            " John",
            "--json",
            "--html",
            page.toString()
        };
        JsonNode json = Cli.run(args).json();
        assertThat(json.get("logit_difference").asDouble()).isGreaterThan(5);
        // Layer 0's attention finds the other name: without it the answer is lost.
        assertThat(json.get("attn_out").get(0).asDouble()).isLessThan(-5);
        assertThat(json.get("heads").get(3)).hasSize(4);
        assertThat(Files.readString(page)).contains("attention and MLP", "[\"attn_out\",\"mlp_out\"]");
    }

    @Test
    void steerPushesTheTextTheFirstWay() {
        JsonNode json = Cli.run(
                        "steer",
                        "The capital of France is",
                        "--positive",
                        "The capital of Germany is",
                        "--negative",
                        "The capital of France is",
                        "--layer",
                        "1",
                        "--coefficient",
                        "2",
                        "--max-new-tokens",
                        "1",
                        "--json")
                .json();
        assertThat(json.get("plain").asText()).endsWith("Paris");
        assertThat(json.get("steered").asText()).endsWith("Berlin");
        assertThat(Cli.run("steer", "a", "--positive", "b", "--negative", "b").err())
                .contains("the same text");
    }

    @Test
    void listsTellWhatThereIs() {
        assertThat(Cli.run("models").out()).contains("toy-gpt2", "gpt2-small", "openai-community/gpt2", "mistral-7b");
        assertThat(Cli.run("backends").out()).contains("'reference' is available");
        assertThat(Cli.run("architectures").out()).contains("gpt2", "llama", "mistral");
    }

    @Test
    void errorsAreOneOrTwoLinesAndTheExitCodeTellsTheKind(@TempDir Path folder) throws IOException {
        assertFailure(2, "is empty", "logits", "--prompt", "");
        assertFailure(1, "out of range", "logits", "--tokens", "5,99999");
        assertFailure(1, "context is too long", "generate", "--prompt", "a", "--max-new-tokens", "500");
        assertFailure(2, "no whole number", "logits", "--tokens", "5;x");
        assertFailure(1, "toy-gpt2", "logits", "--model", "toy-gtp2", "--prompt", "a");
        assertFailure(1, "There is no backend 'nope'", "logits", "--prompt", "a", "--backend", "nope");
        assertFailure(1, "no tokenizer", "logits", "--model", GPT2, "--prompt", "a");
        assertFailure(2, "float33", "logits", "--prompt", "a", "--dtype", "float33");
        assertFailure(
                1,
                "hook_resid_post",
                "cache",
                "--prompt",
                "a",
                "--out",
                folder.resolve("x").toString(),
                "--names",
                "hook_resid_pots");
        assertFailure(2, "--top", "logits", "a", "--top", "-3");
        assertFailure(2, "float16, bfloat16 or auto; found 'int64'", "logits", "a", "--dtype", "int64");
        assertFailure(2, "'' in '5,,6'", "logits", "--tokens", "5,,6");
        assertFailure(2, "--max-new-tokens must be", "generate", "a", "--max-new-tokens", "-5");
        assertFailure(2, "--threshold is a share", "heads", "--threshold", "7");
        assertFailure(2, "--length: 2 times 9999", "heads", "--length", "9999");
        assertFailure(
                2,
                "--sweep: ",
                "patch",
                "--clean",
                "a",
                "--corrupt",
                "b",
                "--answer",
                "c",
                "--wrong",
                "d",
                "--sweep",
                "foo");
        String out = folder.resolve("x").toString();
        assertFailure(2, "logprob:A or loss", "gradients", "a", "--of", "bogus", "--out", out);
        assertFailure(2, "diff:5,9, with token ids", "gradients", "a", "--of", "diff: Mary, John", "--out", out);
        assertFailure(2, "matches no rule", "conformance", "--backend", "reference", "--only", "99.9", "--report", out);
        assertFailure(2, "--prompt", "logits");
        assertFailure(2, "Unknown option", "logits", "--prompt", "a", "--frobnicate");
        assertFailure(2, "Say what to do");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertFailure(1, "config.json", "logits", "--model", empty.toString(), "--prompt", "a");
        Files.writeString(empty.resolve("config.json"), "{\"model_type\": \"bert\"}");
        assertFailure(1, "bert", "logits", "--model", empty.toString(), "--prompt", "a");
        Files.writeString(empty.resolve("config.json"), "{ not json");
        assertFailure(1, "config.json", "logits", "--model", empty.toString(), "--prompt", "a");
        assertThat(Cli.run("--stacktrace", "logits", "--prompt", "").err()).contains("at dev.loupe.cli");
        assertThat(Cli.run("logits", "--stacktrace", "--prompt", "").err()).contains("at dev.loupe.cli");
    }

    private static void assertFailure(int code, String says, String... args) {
        Cli cli = Cli.run(args);
        assertThat(cli.err()).as(String.join(" ", args)).contains(says).doesNotContain("\tat ");
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(code);
    }
}
