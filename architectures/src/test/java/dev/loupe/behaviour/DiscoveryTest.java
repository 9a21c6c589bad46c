package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.gpt2.Gpt2Architecture;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Backends;
import dev.loupe.graph.Graph;
import dev.loupe.plugin.SpiVersion;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DiscoveryTest {

    private static final String SERVICE = "META-INF/services/dev.loupe.backend.BackendProvider";

    /** A provider that isn't registered unless a test says so. */
    public static class Settled implements BackendProvider {
        @Override
        public String id() {
            return "settled";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public int priority(String device) {
            return 100;
        }

        @Override
        public Availability probe() {
            return new Availability.Available("always");
        }

        @Override
        public Backend open(BackendOptions options) {
            throw new BackendUnavailableException("only a name");
        }
    }

    /** Its probe breaks the promise not to throw. */
    public static final class Throwing extends Settled {
        @Override
        public String id() {
            return "throwing";
        }

        @Override
        public Availability probe() {
            throw new NoClassDefFoundError("com/example/Missing");
        }
    }

    /** Compiled against another version of the interface. */
    public static final class Old extends Settled {
        @Override
        public String id() {
            return "old";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT - 1;
        }
    }

    @Test
    void oneBrokenProviderDoesNotHideTheOthers(@TempDir Path folder) throws IOException {
        List<String> listed =
                List.of("com.example.Nowhere", Throwing.class.getName(), Old.class.getName(), Settled.class.getName());
        register(folder, listed);
        with(new URLClassLoader(new URL[] {url(folder)}, getClass().getClassLoader()), () -> {
            String report = Backends.report();
            assertThat(report)
                    .contains("com.example.Nowhere")
                    .contains("'throwing' is not available")
                    .contains("com/example/Missing")
                    .contains("'old' is not available: compiled against version")
                    .contains("'settled' is available")
                    .contains("'reference' is available");
            assertThatThrownBy(() -> Backends.open("throwing", BackendOptions.DEFAULT))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessageContaining("'throwing' is not available");
        });
    }

    @Test
    void aServiceFileOfTheFormerNameIsReported(@TempDir Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(
                services.resolve("dev.loupe.spi.BackendProvider"), "# ours\ncom.example.Faster # the fast one\n");
        Files.writeString(services.resolve("dev.loupe.spi.ArchitectureProvider"), "com.example.Wider\n");
        Files.writeString(services.resolve("dev.loupe.spi.CheckpointLoader"), "com.example.Tape\n");
        with(new URLClassLoader(new URL[] {url(folder)}, getClass().getClassLoader()), () -> {
            assertThat(Backends.report())
                    .contains("'com.example.Faster' is not available")
                    .contains("META-INF/services/dev.loupe.spi.BackendProvider")
                    .contains("name the file META-INF/services/dev.loupe.backend.BackendProvider")
                    .contains("'reference' is available");
            assertThatThrownBy(() -> Architectures.byId("wider"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("com.example.Wider")
                    .hasMessageContaining("META-INF/services/dev.loupe.architecture.ArchitectureProvider");
            assertThat(CheckpointLoader.all().toString())
                    .contains("com.example.Tape")
                    .contains("META-INF/services/dev.loupe.architecture.CheckpointLoader");
            assertThat(Architectures.byId("gpt2").id()).isEqualTo("gpt2");
            assertThat(CheckpointLoader.installed("toy-gpt2").bundled()).contains("toy-gpt2");
        });
    }

    /** A second architecture of a name that is taken. */
    public static class SecondGpt2 implements ArchitectureProvider {

        private final ArchitectureProvider first = new Gpt2Architecture();

        @Override
        public String id() {
            return first.id();
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public boolean accepts(CheckpointConfig config) {
            return first.accepts(config);
        }

        @Override
        public TransformerConfig configure(CheckpointConfig config) {
            return first.configure(config);
        }

        @Override
        public WeightMapping weights(TransformerConfig config) {
            return first.weights(config);
        }

        @Override
        public Graph build(TransformerConfig config, GraphOptions options) {
            return first.build(config, options);
        }
    }

    /** Its makers were careless. */
    public static final class BrokenArchitecture extends SecondGpt2 {
        @Override
        public String id() {
            throw new IllegalStateException("nobody set it");
        }
    }

    @Test
    void anIdThatTwoArchitecturesHaveBelongsToNeitherAndTheOthersAreThere(@TempDir Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.write(
                services.resolve("dev.loupe.architecture.ArchitectureProvider"),
                List.of(BrokenArchitecture.class.getName(), SecondGpt2.class.getName()));
        with(new URLClassLoader(new URL[] {url(folder)}, getClass().getClassLoader()), () -> {
            assertThatThrownBy(() -> Architectures.byId("gpt2"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("Several architectures call themselves 'gpt2'")
                    .hasMessageContaining(SecondGpt2.class.getName())
                    .hasMessageContaining(Gpt2Architecture.class.getName());
            assertThat(Architectures.discovered().toString()).contains("nobody set it");
            assertThat(Architectures.byId("llama").id()).isEqualTo("llama");
        });
    }

    @Test
    void twoBackendsOfOneNameAreAnErrorThatNamesBoth(@TempDir Path folder) throws IOException {
        register(folder, List.of(Settled.class.getName(), Twin.class.getName()));
        with(
                new URLClassLoader(new URL[] {url(folder)}, getClass().getClassLoader()),
                () -> assertThatThrownBy(() -> Backends.open("settled", BackendOptions.DEFAULT))
                        .isInstanceOf(BackendUnavailableException.class)
                        .hasMessageContaining(Settled.class.getName())
                        .hasMessageContaining(Twin.class.getName()));
    }

    /** Has a name that is taken. */
    public static final class Twin extends Settled {}

    @Test
    void aTieAtTheTopIsAnError(@TempDir Path folder) throws IOException {
        register(folder, List.of(Settled.class.getName()));
        with(
                new URLClassLoader(new URL[] {url(folder)}, getClass().getClassLoader()),
                () -> assertThatThrownBy(() -> Backends.openDefault(BackendOptions.DEFAULT))
                        .isInstanceOf(BackendUnavailableException.class)
                        .hasMessageContaining("'settled'")
                        .hasMessageContaining("'reference'")
                        .hasMessageContaining("same priority"));
    }

    @Test
    void withoutAnyBackendTheErrorSaysWhatToAdd() throws IOException {
        ClassLoader none = new ClassLoader(getClass().getClassLoader()) {
            @Override
            public Enumeration<URL> getResources(String name) throws IOException {
                return name.equals(SERVICE) ? Collections.emptyEnumeration() : super.getResources(name);
            }
        };
        with(
                none,
                () -> assertThatThrownBy(() -> Backends.openDefault(BackendOptions.DEFAULT))
                        .isInstanceOf(BackendUnavailableException.class)
                        .hasMessageContaining("loupe-backend-reference")
                        .hasMessageContaining("No backend providers are on the class path"));
    }

    @Test
    void aNameIsNeverReplacedByAnother() {
        assertThatThrownBy(() -> Backends.open("referenc", BackendOptions.DEFAULT))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("'referenc'")
                .hasMessageContaining("'reference'");
    }

    private static void register(Path folder, List<String> classes) throws IOException {
        Path file = folder.resolve(SERVICE);
        Files.createDirectories(file.resolveSibling("."));
        Files.write(file, classes);
    }

    private static URL url(Path folder) throws MalformedURLException {
        return folder.toUri().toURL();
    }

    private static void with(ClassLoader loader, Runnable action) throws IOException {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            action.run();
        } finally {
            thread.setContextClassLoader(before);
            if (loader instanceof URLClassLoader closeable) {
                closeable.close();
            }
        }
    }
}
