package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.backend.Availability;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which ONNX Runtime is installed, and what is said if it won't do. Nothing here starts another one. */
class InstallationTest {

    @TempDir
    private Path folder;

    /** Loads the backend anew, with some of what it needs out of sight. */
    private static final class Elsewhere extends URLClassLoader {

        private final Predicate<String> hidden;

        Elsewhere(Predicate<String> hidden, URL... first) {
            super(first, InstallationTest.class.getClassLoader());
            this.hidden = hidden;
        }

        BackendProvider provider() throws ReflectiveOperationException {
            return (BackendProvider) loadClass(OnnxBackendProvider.class.getName())
                    .getConstructor()
                    .newInstance();
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                Class<?> known = findLoadedClass(name);
                if (known != null) {
                    return known;
                }
                String file = name.replace('.', '/') + ".class";
                if (findResource(file) != null) {
                    return findClass(name);
                }
                if (hidden.test(file)) {
                    throw new ClassNotFoundException(name);
                }
                return name.startsWith("dev.loupe.backend.onnx.") ? again(name, file) : super.loadClass(name, resolve);
            }
        }

        private Class<?> again(String name, String file) throws ClassNotFoundException {
            try (InputStream in = getParent().getResourceAsStream(file)) {
                if (in == null) {
                    throw new ClassNotFoundException(name);
                }
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public URL getResource(String name) {
            URL own = findResource(name);
            return own != null || hidden.test(name) ? own : super.getResource(name);
        }
    }

    private static void assertUnavailable(Elsewhere loader, Availability.Reason reason, String detail, String remedy)
            throws ReflectiveOperationException {
        BackendProvider provider = loader.provider();
        assertThat(provider.getClass()).isNotEqualTo(OnnxBackendProvider.class);
        assertThat(provider.probe()).isInstanceOfSatisfying(Availability.Unavailable.class, found -> {
            assertThat(found.reason()).isEqualTo(reason);
            assertThat(found.detail()).contains(detail);
            assertThat(found.remedy()).contains(remedy);
        });
        assertThatThrownBy(() -> provider.open(BackendOptions.DEFAULT))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("'onnx'", detail, remedy);
    }

    @Test
    void theRuntimeThatIsInstalledIsFound() {
        assertThat(new OnnxBackendProvider().probe())
                .isInstanceOfSatisfying(
                        Availability.Available.class,
                        found -> assertThat(found.detail()).contains("1.28.0", Installation.platform()));
    }

    @Test
    void withoutTheRuntimeTheArtifactToAddIsNamed() throws Exception {
        try (Elsewhere loader = new Elsewhere(name -> name.startsWith("ai/onnxruntime/"))) {
            assertUnavailable(
                    loader,
                    Availability.Reason.MISSING_LIBRARY,
                    "ONNX Runtime is not on the class path",
                    "com.microsoft.onnxruntime:onnxruntime:1.28.0");
        }
    }

    @Test
    void withoutNativesForThisMachineThePlatformIsNamed() throws Exception {
        try (Elsewhere loader = new Elsewhere(name -> name.startsWith("ai/onnxruntime/native/"))) {
            assertUnavailable(
                    loader,
                    Availability.Reason.UNSUPPORTED_PLATFORM,
                    "no native library for " + Installation.platform(),
                    "-Donnxruntime.native.path");
        }
    }

    @Test
    void aRuntimeThatIsTooOldIsNamedWithItsVersion() throws Exception {
        Path jar = oldRuntime();
        try (Elsewhere loader = new Elsewhere(
                name -> name.startsWith("ai/onnxruntime/"), jar.toUri().toURL())) {
            assertUnavailable(
                    loader,
                    Availability.Reason.WRONG_VERSION,
                    "ONNX Runtime 1.15.0 is too old",
                    "com.microsoft.onnxruntime:onnxruntime:1.28.0");
        }
    }

    /** A jar with a class of that name which can do less, as it was in older versions. */
    private Path oldRuntime() throws IOException {
        Path source = folder.resolve("OrtSession.java");
        Files.writeString(
                source,
                "package ai.onnxruntime; public class OrtSession { public Object run(java.util.Map<?, ?> in) "
                        + "{ return in; } }");
        int failed =
                ToolProvider.getSystemJavaCompiler().run(null, null, null, "-d", folder.toString(), source.toString());
        assertThat(failed).isZero();
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.IMPLEMENTATION_VERSION, "1.15.0");
        Path jar = folder.resolve("onnxruntime.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
            out.putNextEntry(new JarEntry("ai/onnxruntime/OrtSession.class"));
            out.write(Files.readAllBytes(folder.resolve("ai/onnxruntime/OrtSession.class")));
            out.closeEntry();
        }
        return jar;
    }
}
