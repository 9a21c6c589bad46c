package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The launchers of Windows do what the one of Unix does; as far as that can be read. */
class LaunchersTest {

    private static final Path ROOT = Path.of("..");

    private static String text(String name) throws IOException {
        return Files.readString(ROOT.resolve(name));
    }

    private static String unix() throws IOException {
        return text("loupe");
    }

    private static String prepare() throws IOException {
        return text("cli/src/main/windows/prepare.ps1");
    }

    private static List<String> windows() throws IOException {
        return text("loupe.cmd").lines().toList();
    }

    private static Set<String> all(String pattern, String text) {
        Set<String> found = new TreeSet<>();
        Pattern.compile(pattern).matcher(text).results().map(MatchResult::group).forEach(found::add);
        assertThat(found).as(pattern).isNotEmpty();
        return found;
    }

    @Test
    void bothGiveJavaTheSameOptions() throws IOException {
        String options =
                "-X[XSl][\\w:+-]*(?==|\\b)(=\\w+\\b)?|-D(?:loupe|jna)\\.\\w+=\\w+|--enable-native-access=[A-Z-]+";
        assertThat(all(options, prepare())).isEqualTo(all(options, unix()));
    }

    @Test
    void bothBuildTheSameModulesInTheSameWay() throws IOException {
        String modules = "(?<=modules=\\()[^)]*";
        assertThat(all("[a-z][a-z-]+", String.join(" ", all("(?<=\\$modules = @\\()[^)]*", prepare()))))
                .isEqualTo(all("[a-z][a-z-]+", String.join(" ", all(modules, unix()))));
        String maven = "(?<= mvn )(?:[^\\n]*\\\\\\n)*[^\\n]*";
        String arguments = "-D[\\w.]+|-P\\w+,\\w+|-pl cli -am \\w+";
        assertThat(all(arguments, String.join(" ", all(maven, prepare()))))
                .isEqualTo(all(arguments, String.join(" ", all(maven, unix()))));
    }

    @Test
    void bothTellTheSame() throws IOException {
        for (String told : List.of(
                "Fetching libtorch for the backend 'pytorch', 110 MB; this is done once ...",
                "Fetching libraries for Parquet, 70 MB; this is done once ...",
                "Building Loupe, whose sources have changed ...",
                "Building Loupe for the first time, with up to 100 MB of libraries to fetch; this takes a minute or two ...",
                "Preparing faster starts; this is done once ...",
                "install a JDK, version 17 or newer")) {
            assertThat(unix()).contains(told);
            assertThat(prepare()).contains(told);
        }
    }

    @Test
    void theCommandFileHandsOverAllArgumentsAndTheExitCode() throws IOException {
        List<String> lines = windows();
        String run = "\"%LOUPE_JAVA%\" \"@%LOUPE_OUT%\\%LOUPE_OPTIONS%\" %LOUPE_JAVA_OPTS% dev.loupe.cli.Main %*";
        assertThat(lines)
                .containsSubsequence(
                        "if not \"%LOUPE_CODE%\"==\"0\" if not \"%LOUPE_CODE%\"==\"2\" exit /b 1",
                        run, "exit /b %ERRORLEVEL%");
        assertThat(lines.get(lines.size() - 2)).isEqualTo(run);
        // An exclamation mark in a prompt is one.
        assertThat(lines).contains("setlocal EnableExtensions DisableDelayedExpansion");
    }

    /** Folders with spaces and brackets, arguments with quotation marks. */
    @Test
    void theCommandFileQuotesWhatMayHaveSpaces() throws IOException {
        for (String line : windows()) {
            if (line.startsWith("rem ")) {
                continue;
            }
            // A folder like "C:\Program Files (x86)" would end a block in brackets.
            assertThat(line).doesNotContain("(", ")");
            String outside = line.replaceAll("\"[^\"]*\"", "");
            assertThat(outside).as(line).doesNotContain("\"", "%~", "LOUPE_HOME%", "LOUPE_OUT%", "LOUPE_JAVA%");
            // Comparisons break on arguments with an odd number of quotation marks.
            assertThat(line.startsWith("if ") && line.contains("%1")).as(line).isFalse();
        }
        assertThat(Files.readAllBytes(ROOT.resolve("loupe.cmd"))).endsWith('\r', '\n');
        assertThat(text("loupe.cmd").replace("\r\n", "")).doesNotContain("\n", "\r");
    }

    /** What PowerShell looks for in the command line, tried on some. */
    @Test
    void theFirstUseOfLibtorchAndParquetIsSeen() throws IOException {
        List<String> looked = Pattern.compile("-match '(--[^']*)'")
                .matcher(prepare())
                .results()
                .map(match -> match.group(1))
                .toList();
        assertThat(looked).hasSize(2);
        for (String line : List.of(
                "lens --backend pytorch \"a prompt\"", "lens --backend=pytorch", "lens \"--backend\" \"pytorch\"")) {
            assertThat(Pattern.compile(looked.get(0)).matcher(line).find())
                    .as(line)
                    .isTrue();
        }
        for (String line : List.of(
                "harvest --format parquet --out x",
                "harvest --text a.parquet",
                "harvest --text \"a b.parquet\" --out x")) {
            assertThat(Pattern.compile(looked.get(1)).matcher(line).find())
                    .as(line)
                    .isTrue();
        }
        for (String line : List.of("lens --backend onnx \"pytorch\"", "lens a.parquets")) {
            assertThat(looked)
                    .as(line)
                    .noneMatch(one -> Pattern.compile(one).matcher(line).find());
        }
    }

    /** The rule by which a run is taken for short is written twice, in two languages. */
    @Test
    void bothTakeTheSameRunsForShort() throws Exception {
        Matcher rule = Pattern.compile("-match '(\\^[^']*)' -and\\s+\\$asked -notmatch '([^']*)'")
                .matcher(prepare());
        assertThat(rule.find()).isTrue();
        String function = unix().substring(unix().indexOf("isShort() {"), unix().indexOf("# Java starts faster"));
        for (String line : List.of(
                "lens prompt",
                "lens --html x.html prompt",
                "lens --model gpt2-xl prompt",
                "lens -m gpt2-xl prompt",
                "lens -mgpt2-xl prompt",
                "lens --backend=reference prompt",
                "lens --backend reference prompt",
                "heads",
                "harvest --text x",
                "patch --clean a",
                "graph --names x",
                "--version",
                "")) {
            Process shell = new ProcessBuilder("bash", "-c", function + "isShort " + line + "; echo $?").start();
            String said = new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            boolean windows = Pattern.compile(rule.group(1)).matcher(line).find()
                    && !Pattern.compile(rule.group(2)).matcher(line).find();
            assertThat(said).as(line).isEqualTo(windows ? "0" : "1");
        }
    }
}
