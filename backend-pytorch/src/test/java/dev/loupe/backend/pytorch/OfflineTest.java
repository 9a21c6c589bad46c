package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.File;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketImpl;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What the backend does in a fresh process in which nobody has set anything. */
class OfflineTest {

    @Test
    void neitherProbingNorOpeningNorComputingMakesAConnectionOrSaysAWord() throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                withoutLogging(System.getProperty("java.class.path")),
                FreshProcess.class.getName());
        Map<String, String> environment = builder.environment();
        environment.remove("OPT_OUT_TRACKING");
        environment.remove("DJL_OFFLINE");
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        assertThat(output.lines().filter(line -> !line.startsWith("WARNING: ")))
                .containsExactly("loaded by the probe false", "sum 6.0", "sockets 0");
    }

    /** As in a program that has chosen nobody for SLF4J to log to. Warnings are Java's own, of native code. */
    private static String withoutLogging(String classPath) {
        return Arrays.stream(classPath.split(File.pathSeparator))
                .filter(entry -> !entry.contains("slf4j-nop"))
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** The process. */
    static final class FreshProcess {

        private FreshProcess() {}

        @SuppressWarnings("deprecation") // nothing else sees every socket
        public static void main(String[] args) throws IOException {
            AtomicInteger sockets = new AtomicInteger();
            Socket.setSocketImplFactory(() -> {
                sockets.incrementAndGet();
                return refused();
            });
            PyTorchBackendProvider provider = new PyTorchBackendProvider();
            provider.probe();
            boolean probed = System.getProperty("ai.djl.offline") != null;
            System.out.println("loaded by the probe " + probed);
            try (Backend backend = provider.open(BackendOptions.DEFAULT);
                    Tensor tensor = new TensorFactory(backend).full(DType.FLOAT32, 2, 3)) {
                System.out.println("sum " + tensor.sum().item());
            }
            System.out.println("sockets " + sockets.get());
        }

        private static SocketImpl refused() {
            throw new IllegalStateException("no connections");
        }
    }
}
