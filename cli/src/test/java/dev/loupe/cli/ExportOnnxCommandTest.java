package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExportOnnxCommandTest {

    @TempDir
    private Path folder;

    private Cli export(String... more) {
        String[] args = new String[more.length + 3];
        args[0] = "export-onnx";
        args[1] = "--out";
        args[2] = folder.resolve("model.onnx").toString();
        System.arraycopy(more, 0, args, 3, more.length);
        return Cli.run(args);
    }

    private Iterable<String> outputs() throws OrtException {
        String file = folder.resolve("model.onnx").toString();
        try (OrtSession session = OrtEnvironment.getEnvironment().createSession(file)) {
            return session.getOutputNames();
        }
    }

    @Test
    void theFileHasLogitsAndThePointsAskedFor() throws OrtException {
        Cli cli = export("--model", "toy-llama", "--observe", "blocks.?.hook_resid_post", "--observe", "pattern0");
        assertThat(cli.err()).isEmpty();
        assertThat(cli.exitCode()).isZero();
        assertThat(cli.out()).contains("toy-llama", "6 outputs", "model.onnx", "MB");
        assertThat(outputs())
                .containsExactly(
                        "logits",
                        "blocks.0.attn.hook_pattern",
                        "blocks.0.hook_resid_post",
                        "blocks.1.hook_resid_post",
                        "blocks.2.hook_resid_post",
                        "blocks.3.hook_resid_post");
    }

    @Test
    void weightsGoIntoAFileOfTheirOwnOnDemand() throws OrtException {
        assertThat(export("--external-data").out()).contains("1 output ", "model.onnx.data");
        assertThat(folder.resolve("model.onnx.data")).exists();
        assertThat(outputs()).containsExactly("logits");
    }

    @Test
    void aGlobThatMatchesNothingNamesTheNearest() {
        Cli cli = export("--observe", "*.hook_patern");
        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(cli.err()).contains("'*.hook_patern'", "blocks.0.attn.hook_pattern");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aFileThatExistsIsReplacedByForceAlone() throws IOException {
        Path file = Files.writeString(folder.resolve("model.onnx"), "precious");
        Cli cli = export();
        assertThat(cli.exitCode()).isEqualTo(2);
        assertThat(cli.err()).contains("model.onnx exists", "--force");
        assertThat(file).hasContent("precious");
        assertThat(export("--force").exitCode()).isZero();
        assertThat(Files.size(file)).isGreaterThan(1 << 20);
    }

    @Test
    void sixteenBitsAreRefused() {
        Cli cli = export("--backend", "pytorch", "--dtype", "float16");
        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(cli.err()).contains("float16", "load it in float32");
        assertThat(folder).isEmptyDirectory();
    }

    private Iterable<String> inputs() throws OrtException {
        String file = folder.resolve("model.onnx").toString();
        try (OrtSession session = OrtEnvironment.getEnvironment().createSession(file)) {
            return session.getInputNames();
        }
    }

    @Test
    void interventionsAreWrittenIntoTheFileOrTheirValuesAreInputs() throws OrtException {
        assertThat(export("--intervene", "z 2[head=1] = 0").exitCode()).isZero();
        assertThat(inputs()).containsExactly("tokens", "attention_mask");
        Cli cli = export("--force", "--intervene", "pattern1[pos=last] *= 0.5", "--intervene-as-input");
        assertThat(cli.err()).isEmpty();
        assertThat(cli.out()).contains("intervention.0.value");
        assertThat(inputs()).containsExactly("tokens", "attention_mask", "intervention.0.value");
        assertThat(export("--force", "--intervene-as-input").err()).contains("--intervene");
        assertThat(export("--force", "--intervene", "z2[pos=each(1|2)] = 0").err())
                .contains("any number of them")
                .doesNotContain("Exception");
    }

    @Test
    void derivativesAreOutputsBesideTheirPoints() throws OrtException {
        Cli cli = export("--gradients-of", "diff:5,9", "--observe", "blocks.?.hook_resid_post");
        assertThat(cli.err()).isEmpty();
        assertThat(outputs()).contains("logits", "metric", "blocks.0.hook_resid_post", "blocks.0.hook_resid_post_grad");
        assertThat(export("--force", "--gradients-of", "diff:5,9").err()).contains("--observe");
        assertThat(export("--force", "--gradients-of", "diff:5", "--observe", "*hook_z")
                        .err())
                .contains("--gradients-of diff takes 2 token ids");
    }
}
