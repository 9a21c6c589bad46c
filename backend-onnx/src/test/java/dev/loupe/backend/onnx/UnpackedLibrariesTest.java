package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.Optional;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnpackedLibrariesTest {

    @TempDir
    private Path folder;

    /** A class path with a jar of libraries that contain their own names. */
    private URLClassLoader jar(String... libraries) throws IOException {
        Path jar = folder.resolve("runtime.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            for (String library : libraries) {
                out.putNextEntry(new JarEntry("ai/onnxruntime/native/here/" + System.mapLibraryName(library)));
                out.write(library.getBytes(StandardCharsets.UTF_8));
                out.closeEntry();
            }
        }
        return new URLClassLoader(new URL[] {jar.toUri().toURL()}, null);
    }

    private static Path library(Path unpacked) {
        return unpacked.resolve(System.mapLibraryName("onnxruntime"));
    }

    @Test
    void librariesAreUnpackedOnce() throws IOException {
        try (URLClassLoader loader = jar("onnxruntime", "onnxruntime4j_jni")) {
            UnpackedLibraries libraries = new UnpackedLibraries(loader, "here");
            Path unpacked = libraries.in(folder.resolve("cache")).orElseThrow();
            assertThat(library(unpacked)).hasContent("onnxruntime").isExecutable();
            assertThat(unpacked.resolve(System.mapLibraryName("onnxruntime4j_jni")))
                    .hasContent("onnxruntime4j_jni");
            FileTime old = FileTime.fromMillis(1_000_000);
            Files.setLastModifiedTime(library(unpacked), old);
            assertThat(libraries.in(folder.resolve("cache"))).contains(unpacked);
            assertThat(Files.getLastModifiedTime(library(unpacked))).isEqualTo(old);
        }
    }

    @Test
    void aLibraryThatIsntTheJarsIsReplaced() throws IOException {
        try (URLClassLoader loader = jar("onnxruntime", "onnxruntime4j_jni")) {
            UnpackedLibraries libraries = new UnpackedLibraries(loader, "here");
            Path unpacked = libraries.in(folder.resolve("cache")).orElseThrow();
            for (String wrong : new String[] {"onnxruntimE", "short", ""}) {
                Files.writeString(library(unpacked), wrong);
                assertThat(libraries.in(folder.resolve("cache"))).contains(unpacked);
                assertThat(library(unpacked)).hasContent("onnxruntime");
            }
        }
    }

    @Test
    void whereItCantBeOnnxRuntimeGoesItsOwnWay() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "no folder");
        try (URLClassLoader loader = jar("onnxruntime", "onnxruntime4j_jni")) {
            assertThat(new UnpackedLibraries(loader, "here").in(file)).isEmpty();
            assertThat(new UnpackedLibraries(loader, "elsewhere").in(folder)).isEmpty();
        }
        assertThat(file).hasContent("no folder");
    }

    @Test
    void librariesForCudaStayTogether() throws IOException {
        try (URLClassLoader loader = jar("onnxruntime", "onnxruntime4j_jni", "onnxruntime_providers_cuda")) {
            assertThat(new UnpackedLibraries(loader, "here").in(folder.resolve("cache")))
                    .isEmpty();
        }
    }

    @Test
    void theCacheIsWhereTheSystemKeepsSuchThings() {
        String home = folder.toAbsolutePath().toString();
        Path own = folder.toAbsolutePath().resolve("own");
        assertThat(UnpackedLibraries.cache(Map.of("LOUPE_CACHE", own.toString()), home, "Linux"))
                .contains(own);
        assertThat(UnpackedLibraries.cache(Map.of("XDG_CACHE_HOME", own.toString()), home, "Linux"))
                .contains(own.resolve("loupe"));
        assertThat(UnpackedLibraries.cache(Map.of("XDG_CACHE_HOME", "relative"), home, "Linux"))
                .contains(Path.of(home, ".cache", "loupe"));
        assertThat(UnpackedLibraries.cache(Map.of(), home, "Mac OS X"))
                .contains(Path.of(home, "Library", "Caches", "loupe"));
        assertThat(UnpackedLibraries.cache(Map.of("LOCALAPPDATA", own.toString()), home, "Windows 11"))
                .contains(own.resolve("loupe"));
        assertThat(UnpackedLibraries.cache(Map.of(), null, "Linux")).isEqualTo(Optional.empty());
    }
}
