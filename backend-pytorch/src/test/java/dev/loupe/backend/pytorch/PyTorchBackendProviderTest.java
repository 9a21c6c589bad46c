package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.backend.Availability;
import dev.loupe.backend.Availability.Reason;
import dev.loupe.backend.Availability.Unavailable;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.plugin.SpiVersion;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PyTorchBackendProviderTest {

    private static final String NATIVES = "native/lib/pytorch.properties";
    private static final String JNI = "jnilib/pytorch.properties";
    private static final String ENGINE = "pytorch-engine.properties";
    private static final String HERE =
            NativeLibraries.platform(System.getProperty("os.name"), System.getProperty("os.arch"));

    private static final BackendProvider PROVIDER = new PyTorchBackendProvider();

    @Test
    void isFoundAsAService() {
        List<BackendProvider> found = ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.id().equals("pytorch"))
                .toList();
        assertThat(found).hasExactlyElementsOfTypes(PyTorchBackendProvider.class);
        assertThat(found.get(0).spiVersion()).isEqualTo(SpiVersion.CURRENT);
    }

    @Test
    void isPreferredOnGpusMoreThanOnCpus() {
        assertThat(PROVIDER.priority("cpu")).isEqualTo(200);
        assertThat(PROVIDER.priority("cuda")).isEqualTo(400);
        assertThat(PROVIDER.priority("cuda:1")).isEqualTo(400);
    }

    @Test
    void theProbeTellsVersionsAndPlatform() {
        assertThat(PROVIDER.probe())
                .isInstanceOfSatisfying(
                        Availability.Available.class,
                        available -> assertThat(available.detail()).contains("2.7.1", HERE, "0.35.1"));
    }

    @Test
    void withoutNativesTheArtifactToAddIsNamed() throws Exception {
        ResourceFilter loader = new ResourceFilter().without(NATIVES);
        Unavailable missing = probeWith(loader);
        assertThat(missing.reason()).isEqualTo(Reason.MISSING_LIBRARY);
        assertThat(missing.remedy()).contains("ai.djl.pytorch:pytorch-native-cpu:2.7.1", HERE);
        assertThatThrownBy(() -> with(loader, () -> PROVIDER.open(BackendOptions.DEFAULT)))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("'pytorch'", missing.detail(), missing.remedy());
    }

    @Test
    void withoutTheJniLibraryTheArtifactToAddIsNamed() throws Exception {
        Unavailable missing = probeWith(new ResourceFilter().without(JNI));
        assertThat(missing.reason()).isEqualTo(Reason.MISSING_LIBRARY);
        assertThat(missing.remedy()).contains("ai.djl.pytorch:pytorch-jni:2.7.1-0.35.1");
    }

    @Test
    void withoutTheEngineTheArtifactToAddIsNamed() throws Exception {
        Unavailable missing = probeWith(new ResourceFilter().without(ENGINE));
        assertThat(missing.reason()).isEqualTo(Reason.MISSING_LIBRARY);
        assertThat(missing.remedy()).contains("ai.djl.pytorch:pytorch-engine");
    }

    @Test
    void aJniLibraryOfAnotherVersionIsRefusedBeforeDjlDownloadsOne() throws Exception {
        Unavailable wrong = probeWith(new ResourceFilter().with(JNI, "jni_version=2.7.1-0.36.0"));
        assertThat(wrong.reason()).isEqualTo(Reason.WRONG_VERSION);
        assertThat(wrong.detail()).contains("2.7.1-0.36.0", "2.7.1-0.35.1");
    }

    @Test
    void nativesForAnotherPlatformAreTold() throws Exception {
        Unavailable wrong = probeWith(
                new ResourceFilter().with(NATIVES, "version=2.7.1-20250812\nflavor=cpu\nclassifier=win-aarch64"));
        assertThat(wrong.reason()).isEqualTo(Reason.UNSUPPORTED_PLATFORM);
        assertThat(wrong.detail()).contains("win-aarch64", HERE);
        assertThat(wrong.remedy()).contains(HERE);
    }

    @Test
    void aFlavorForWhichThereIsNoJniLibraryIsTold() throws Exception {
        Unavailable wrong = probeWith(
                new ResourceFilter().with(NATIVES, "version=2.7.1-20250812\nflavor=cu113\nclassifier=" + HERE));
        assertThat(wrong.reason()).isEqualTo(Reason.WRONG_VERSION);
        assertThat(wrong.detail()).contains("cu113");
    }

    @Test
    void aDamagedPropertiesFileDoesNotMakeTheProbeThrow() throws Exception {
        Unavailable broken = probeWith(new ResourceFilter().with(NATIVES, "version=\\uXXXX"));
        assertThat(broken.reason()).isEqualTo(Reason.BROKEN_PROVIDER);
        assertThat(broken.cause()).isNotNull();
    }

    @Test
    void platformsAreNamedAsInTheArtifacts() {
        assertThat(NativeLibraries.platform("Linux", "amd64")).isEqualTo("linux-x86_64");
        assertThat(NativeLibraries.platform("Linux", "aarch64")).isEqualTo("linux-aarch64");
        assertThat(NativeLibraries.platform("Mac OS X", "aarch64")).isEqualTo("osx-aarch64");
        assertThat(NativeLibraries.platform("Windows 11", "amd64")).isEqualTo("win-x86_64");
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuda", "cuda:0", "cuda:7"})
    void aGpuThatIsNotThereIsNeverReplacedByTheCpu(String device) {
        assertThatThrownBy(() -> PROVIDER.open(BackendOptions.DEFAULT.withDevice(device)))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll(
                        "'" + device + "'", "built for the CPU", "PYTORCH_LIBRARY_PATH", "docs/gpu.md");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "gpu", "cpu:0", "cuda:", "cuda:x", "CPU", "mps"})
    void anUnknownDeviceIsRefusedWithTheOnesThereAre(String device) {
        assertThatThrownBy(() -> PROVIDER.open(BackendOptions.DEFAULT.withDevice(device)))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("'" + device + "'", "cpu", "cuda:N");
    }

    @Test
    void severalDevicesOnOneCpuAreRefusedUnlessItIsSplit() {
        assertThatThrownBy(() -> PROVIDER.open(new BackendOptions("cpu", 0, 2, Map.of())))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("2 devices", "logical-devices");
        assertThatThrownBy(() -> PROVIDER.open(new BackendOptions("cpu", 0, 2, Map.of("logical-devices", "two"))))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("'two'");
    }

    @Test
    void theNumberOfThreadsIsLibtorchsOnEveryThread() throws Exception {
        try (Backend backend = PROVIDER.open(BackendOptions.DEFAULT.withThreads(2))) {
            assertThat(backend.device()).isEqualTo("cpu");
            assertThat(threadsHere()).isEqualTo(2);
            int[] elsewhere = new int[1];
            Thread other = new Thread(() -> elsewhere[0] = threadsHere());
            other.start();
            other.join();
            assertThat(elsewhere[0]).isEqualTo(2);
        }
        Torches.open().close();
        assertThat(threadsHere()).isEqualTo(1);
    }

    private static int threadsHere() {
        Torch.leave(Torch.enter());
        return Torch.threads();
    }

    @Test
    void djlIsOfflineAndTellsNobody() {
        Torches.open().close();
        assertThat(System.getProperty("ai.djl.offline")).isEqualTo("true");
        assertThat(System.getProperty("OPT_OUT_TRACKING")).isEqualTo("true");
    }

    private static Unavailable probeWith(ClassLoader loader) throws Exception {
        Availability availability = with(loader, PROVIDER::probe);
        assertThat(availability).isInstanceOf(Unavailable.class);
        return (Unavailable) availability;
    }

    private static <T> T with(ClassLoader loader, Callable<T> action) throws Exception {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            return action.call();
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    /** Hides resources, or gives them other content. */
    private static final class ResourceFilter extends ClassLoader {

        private final Map<String, String> replaced = new LinkedHashMap<>();

        ResourceFilter() {
            super(PyTorchBackendProviderTest.class.getClassLoader());
        }

        ResourceFilter without(String resource) {
            replaced.put(resource, "");
            return this;
        }

        ResourceFilter with(String resource, String content) {
            replaced.put(resource, content);
            return this;
        }

        @Override
        public URL getResource(String name) {
            if (!replaced.containsKey(name)) {
                return super.getResource(name);
            }
            String content = replaced.get(name);
            return content.isEmpty() ? null : url(name, content);
        }

        @Override
        public Enumeration<URL> getResources(String name) throws IOException {
            if (!replaced.containsKey(name)) {
                return super.getResources(name);
            }
            URL url = getResource(name);
            return url == null ? Collections.emptyEnumeration() : Collections.enumeration(List.of(url));
        }

        private static URL url(String name, String content) {
            try {
                return new URL(null, "memory:/" + name, new InMemory(content));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }

    private static final class InMemory extends URLStreamHandler {

        private final String content;

        InMemory(String content) {
            this.content = content;
        }

        @Override
        protected URLConnection openConnection(URL url) {
            return new URLConnection(url) {
                @Override
                public void connect() {}

                @Override
                public InputStream getInputStream() {
                    return new ByteArrayInputStream(content.getBytes(StandardCharsets.ISO_8859_1));
                }
            };
        }
    }
}
