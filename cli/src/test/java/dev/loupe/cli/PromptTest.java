package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A prompt goes into every command in the same ways. */
class PromptTest {

    private static final String TEXT = "The capital of France is";

    @TempDir
    private Path folder;

    /** Every command that takes one prompt, without it. */
    private List<String> command(String text) {
        List<String> command = new ArrayList<>(List.of(text.split("\\|")));
        command.replaceAll(word -> word.equals("FILE") ? folder.resolve("file").toString() : word);
        return command;
    }

    private static Cli run(String standardInput, List<String> command, String... more) {
        List<String> all = new ArrayList<>(command);
        all.addAll(List.of(more));
        return Cli.runWith(standardInput, all.toArray(new String[0]));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lens",
                "lens|--json",
                "logits|--json",
                "generate|--max-new-tokens|1",
                "attention|--layer|0",
                "ablate|--answer| Paris|--wrong| Berlin",
                "steer|--positive|a|--negative|b|--max-new-tokens|1",
                "features|--token|-1",
                "cache|--out|FILE|--names|hook_embed",
                "gradients|--out|FILE|--of|loss|--names|hook_embed"
            })
    void aPromptIsSaidInFourWaysInEveryCommand(String text) {
        List<String> command = command(text);
        Cli plain = run("", command, TEXT);
        assertThat(plain.err()).isEmpty();
        assertThat(plain.exitCode()).isZero();
        assertThat(run("", command, "--prompt", TEXT)).isEqualTo(plain);
        assertThat(run(TEXT + "\n", command, "-")).isEqualTo(plain);
        assertThat(run(TEXT + "\r\n", command, "--prompt", "-")).isEqualTo(plain);
        assertThat(run("", command, "--tokens", "5,6,7").exitCode()).isZero();
    }

    @Test
    void tokensGiveWhatTheirTextGives() {
        String ids = Cli.run("logits", TEXT, "--json", "--top", "1")
                .json()
                .get("tokens")
                .get(0)
                .toString();
        String given = ids.substring(1, ids.length() - 1);
        assertThat(Cli.run("lens", "--tokens", given)).isEqualTo(Cli.run("lens", TEXT));
        assertThat(Cli.run("attention", "--layer", "1", "--tokens", given))
                .isEqualTo(Cli.run("attention", "--layer", "1", TEXT));
    }

    @ParameterizedTest
    @ValueSource(strings = {"patch|--sweep|resid_pre", "attribute"})
    void oneOfTwoPromptsMayComeFromStandardInput(String text) {
        List<String> command = new ArrayList<>(command(text));
        command.addAll(List.of("--answer", " Paris", "--wrong", " Berlin"));
        String other = "The capital of Germany is";
        Cli plain = run("", command, "--clean", TEXT, "--corrupt", other);
        assertThat(plain.exitCode()).as(plain.err()).isZero();
        assertThat(run(TEXT + "\n", command, "--clean", "-", "--corrupt", other))
                .isEqualTo(plain);
        assertThat(run(other, command, "--clean", TEXT, "--corrupt", "-")).isEqualTo(plain);
        assertThat(run(other, command, "--clean", "-", "--corrupt", "-").err()).contains("Only one of");
    }

    @Test
    void onlyTheLastLineBreakOfStandardInputIsLeftOut() {
        assertThat(Cli.runWith("a\n\n", "logits", "-", "--json").json().get("tokens"))
                .isEqualTo(Cli.run("logits", "a\n", "--json").json().get("tokens"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"lens", "generate", "cache|--out|FILE"})
    void wordsWithoutQuotationMarksGetTheHint(String text) {
        Cli cli = run("", command(text), "The", "capital", "of");
        assertThat(cli.exitCode()).isEqualTo(2);
        assertThat(cli.err()).contains("quotation marks: \"The capital of\"");
        assertThat(cli.err().lines()).hasSize(2);
    }

    @Test
    void wordsWhereNoPromptGoesGetTheHintToo() {
        Cli cli = Cli.run("heads", "The", "capital");
        assertThat(cli.exitCode()).isEqualTo(2);
        assertThat(cli.err()).contains("quotation marks");
    }

    @Test
    void twoPromptsOrNoneAreRefused() {
        assertUsage("There is no prompt", "lens");
        assertUsage("'a' and --prompt are several", "lens", "a", "--prompt", "b");
        assertUsage("--prompt and --tokens are several", "logits", "--prompt", "b", "--tokens", "5");
        assertThat(Cli.run("lens", "").err()).contains("is empty");
        assertThat(Cli.runWith("", "lens", "-").err()).contains("is empty");
        assertThat(Cli.run("logits", "a", "--attention-mask", "1").err()).contains("goes with --tokens");
        assertUsage("looks at one text", "lens", "--tokens", "5,6;7,8");
        assertUsage("needs no padding", "attention", "--tokens", "5,6", "--attention-mask", "0,1");
    }

    private static void assertUsage(String says, String... args) {
        Cli cli = Cli.run(args);
        assertThat(cli.err()).contains(says);
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(2);
        assertThat(cli.err().lines()).hasSize(2).last().asString().startsWith("See 'loupe " + args[0] + " --help'");
    }

    @Test
    void aFileThatCantBeWrittenIsToldBeforeTheModelIsLookedFor() {
        String missing = folder.resolve("none").resolve("file").toString();
        String[][] commands = {
            {"lens", "a", "--html", missing},
            {"attention", "a", "--html", missing},
            {"heads", "--html", missing},
            {"ablate", "a", "--answer", " a", "--wrong", " b", "--html", missing},
            {"steer", "a", "--positive", "a", "--negative", "b", "--html", missing},
            {"patch", "--clean", "a", "--corrupt", "b", "--answer", " a", "--wrong", " b", "--html", missing},
            {"cache", "a", "--out", missing},
            {"gradients", "a", "--of", "loss", "--out", missing},
            {"features", "a", "--out", missing},
            {"export-onnx", "--out", missing},
            {"attribute", "--clean", "a", "--corrupt", "b", "--answer", " a", "--wrong", " b", "--dot", missing},
        };
        for (String[] command : commands) {
            List<String> all = new ArrayList<>(List.of(command));
            all.addAll(List.of("--model", "there-is-no-such-model"));
            Cli cli = Cli.run(all.toArray(new String[0]));
            assertThat(cli.err()).as(command[0]).contains("there is no folder").doesNotContain("no-such-model");
            assertThat(cli.exitCode()).isEqualTo(2);
        }
    }
}
