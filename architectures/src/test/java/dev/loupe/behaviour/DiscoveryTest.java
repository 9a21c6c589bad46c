package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Backends;
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
