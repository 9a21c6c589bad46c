package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OnnxTensorsTest {

    private static String report;

    @BeforeAll
    static void runChecks() throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process process = new ProcessBuilder(
                        java,
                        "-Xmx256m",
                        "-DOPT_OUT_TRACKING=true",
                        "-Dai.djl.offline=true",
                        "-cp",
                        System.getProperty("java.class.path"),
                        DjlChecks.class.getName())
                .redirectErrorStream(true)
                .start();
        report = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(report).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void inAProcessThatStartsDjlFirst(DjlChecks check) {
        List<String> lines = report.lines().toList();
        assertThat(lines).as(report).contains(DjlChecks.PASSED + check);
    }

    @Test
    void otherEnginesAreRefused() {
        NDArray strange = foreign(NDArray.class);
        NDManager elsewhere = foreign(NDManager.class);
        try (Backend backend = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
                Tensor tensor = new TensorFactory(backend).of(HostTensor.of(Shape.of(1), 1f))) {
            assertThatThrownBy(() -> OnnxTensors.fromNDArray(strange, backend))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("ONNX Runtime engine");
            assertThatThrownBy(() -> OnnxTensors.toNDArray(tensor, elsewhere))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("ONNX Runtime engine");
        }
    }

    /** Something of another engine. */
    private static <T> T foreign(Class<T> type) {
        return type.cast(
                Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    throw new AssertionError(method);
                }));
    }
}
