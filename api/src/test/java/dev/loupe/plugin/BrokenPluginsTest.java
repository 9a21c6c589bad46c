package dev.loupe.plugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Backends;
import dev.loupe.graph.Graph;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plugins with mistakes that outsiders make: each is named, with its class and the method, and hides no other. */
@NullUnmarked
class BrokenPluginsTest {

    /** Which mistake is made; each provider is made anew by the service loader. */
    private static String mistake = "";

    @TempDir
    private Path folder;

    /** An architecture that accepts {@code sound}. */
    public static final class Sound implements ArchitectureProvider {
        @Override
        public String id() {
            return "sound";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public boolean accepts(CheckpointConfig config) {
            return config.modelType().equals("sound");
        }

        @Override
        public TransformerConfig configure(CheckpointConfig config) {
            throw new UnsupportedOperationException();
        }

        @Override
        public WeightMapping weights(TransformerConfig config) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Graph build(TransformerConfig config, GraphOptions options) {
            throw new UnsupportedOperationException();
        }
    }

    /** An architecture with mistakes. */
    public static final class Faulty implements ArchitectureProvider {
        @Override
        public String id() {
            return mistake.equals("id") ? null : "faulty";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public boolean accepts(CheckpointConfig config) {
            return switch (mistake) {
                case "accepts" -> ((String) config.raw("n_layer")).isEmpty();
                case "link" -> throw new NoClassDefFoundError("org/outside/Helper");
                default -> false;
            };
        }

        @Override
        public TransformerConfig configure(CheckpointConfig config) {
            throw new UnsupportedOperationException();
        }

        @Override
        public WeightMapping weights(TransformerConfig config) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Graph build(TransformerConfig config, GraphOptions options) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<PretrainedModel> pretrained() {
            return mistake.equals("pretrained") ? null : List.of();
        }
    }

    /** A backend with mistakes, first in the line. */
    public static final class FaultyBackend implements BackendProvider {
        @Override
        public String id() {
            return mistake.equals("id") ? null : "faulty";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public int priority(String device) {
            if (mistake.equals("priority")) {
                throw new IndexOutOfBoundsException("device 3");
            }
            return 1000;
        }

        @Override
        public Availability probe() {
            return mistake.equals("probe") ? null : new Availability.Available("always");
        }

        @Override
        public Set<String> settings() {
            return mistake.equals("settings") ? null : Set.of();
        }

        @Override
        public Backend open(BackendOptions options) {
            return switch (mistake) {
                case "throws" -> throw new ArrayIndexOutOfBoundsException(7);
                case "link" -> throw new UnsatisfiedLinkError("no outside in java.library.path");
                case "own" -> throw new BackendUnavailableException("The card is taken");
                default -> null;
            };
        }
    }

    @BeforeEach
    void register() throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(
                services.resolve(ArchitectureProvider.class.getName()),
                Faulty.class.getName() + "\n" + Sound.class.getName());
        Files.writeString(services.resolve(BackendProvider.class.getName()), FaultyBackend.class.getName());
    }

    private <T> T with(String made, Callable<T> call) throws Exception {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        mistake = made;
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {folder.toUri().toURL()}, BrokenPluginsTest.class.getClassLoader())) {
            thread.setContextClassLoader(loader);
            return call.call();
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    private static CheckpointConfig config(String type) {
        return new CheckpointConfig("config.json", Map.of("model_type", type, "n_layer", 3));
    }

    @Test
    void anArchitectureThatFailsToAcceptHidesNoOther() throws Exception {
        for (String made : List.of("accepts", "link", "id", "pretrained")) {
            assertThat(with(made, () -> Architectures.accepting(config("sound")))
                            .id())
                    .as(made)
                    .isEqualTo("sound");
            assertThat(with(made, () -> Architectures.byId("sound")).id()).isEqualTo("sound");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> with("accepts", () -> Architectures.accepting(config("other"))))
                .withMessageContaining("No installed architecture accepts config.json")
                .withMessageContaining("'faulty' (" + Faulty.class.getName() + ") failed in accepts()")
                .withMessageContaining("ClassCastException");
        assertThat(with("pretrained", () -> Architectures.pretrained(Architectures.byId("faulty"))))
                .isEmpty();
    }

    @Test
    void aPluginWithoutAnIdGoesByTheNameOfItsClass() throws Exception {
        assertThat(with("id", Architectures::discovered))
                .anySatisfy(found -> assertThat(found.toString())
                        .startsWith("'" + Faulty.class.getName() + "'")
                        .contains("its id is null"));
        assertThat(with("id", Backends::report)).contains(FaultyBackend.class.getName(), "its id is null");
        assertThatExceptionOfType(BackendUnavailableException.class)
                .isThrownBy(() -> with("id", () -> Backends.open("nothing", BackendOptions.DEFAULT)))
                .withMessageContaining("There is no backend 'nothing'");
    }

    @Test
    void aBackendThatCantBeOpenedIsNamedWithWhatItDid() throws Exception {
        for (Map.Entry<String, String> made : Map.of(
                        "null", "failed in open(): it answered null",
                        "throws", "failed in open(): java.lang.ArrayIndexOutOfBoundsException",
                        "link", "failed in open(): java.lang.UnsatisfiedLinkError: no outside in",
                        "probe", "its probe() answered null",
                        "own", "The card is taken")
                .entrySet()) {
            assertThatExceptionOfType(BackendUnavailableException.class)
                    .as(made.getKey())
                    .isThrownBy(() -> with(made.getKey(), () -> Backends.open("faulty", BackendOptions.DEFAULT)))
                    .withMessageContaining(made.getValue());
        }
        assertThatIllegalStateException()
                .isThrownBy(() -> with(
                        "settings",
                        () -> Backends.open("faulty", new BackendOptions("cpu", 0, 1, Map.of("speed", "high")))))
                .withMessageContaining("failed in settings(): it answered null");
        assertThat(with("probe", Backends::report)).contains("'faulty' is not available");
    }

    @Test
    void aBackendThatDoesntKnowItsPriorityComesLast() {
        assertThatExceptionOfType(BackendUnavailableException.class)
                .isThrownBy(() -> with("priority", () -> Backends.openDefault(BackendOptions.DEFAULT)))
                .withMessageContaining("failed in open(): it answered null");
    }
}
