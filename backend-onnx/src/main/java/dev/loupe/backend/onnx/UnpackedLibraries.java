package dev.loupe.backend.onnx;

import ai.onnxruntime.OrtSession;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * ONNX Runtime's native libraries in a folder of the user's cache, where every later process finds them. ONNX Runtime
 * itself unpacks 24 MB into a temporary folder at each start, which takes longer than a small model's run.
 *
 * <p>Wherever that doesn't work out (no home, a full disk, a file system that allows no programs, libraries that don't
 * lie in a jar) ONNX Runtime goes its own way. So it does on CUDA, where the libraries look for each other.
 */
final class UnpackedLibraries {

    /** Where ONNX Runtime looks first. */
    static final String PROPERTY = "onnxruntime.native.path";

    /** What this class has set it to: a property too, because class loaders may have this class several times. */
    private static final String OURS = "loupe.onnxruntime.unpacked";

    private static final String[] LIBRARIES = {"onnxruntime", "onnxruntime4j_jni"};
    private static final int BUFFER = 1 << 20;

    private final ClassLoader loader;
    private final String platform;

    UnpackedLibraries(ClassLoader loader, String platform) {
        this.loader = loader;
        this.platform = platform;
    }

    /** Shows ONNX Runtime the way, unless somebody else has; called before the first of its classes that has one. */
    static synchronized void use() {
        if (System.getProperty(PROPERTY) == null) {
            cache(System.getenv(), System.getProperty("user.home"), System.getProperty("os.name", ""))
                    .flatMap(
                            new UnpackedLibraries(OnnxBackendProvider.class.getClassLoader(), Installation.platform())
                                    ::in)
                    .ifPresent(folder -> {
                        System.setProperty(OURS, folder.toString());
                        System.setProperty(PROPERTY, folder.toString());
                    });
        }
    }

    /** Whether somebody else has said where the libraries are. */
    static boolean areElsewhere() {
        String said = System.getProperty(PROPERTY);
        return said != null && !said.equals(System.getProperty(OURS));
    }

    /** The folder for what can be made again: that of LOUPE_CACHE, or where the system keeps such things. */
    static Optional<Path> cache(Map<String, String> environment, @Nullable String home, String system) {
        String os = system.toLowerCase(Locale.ROOT);
        try {
            String own = environment.getOrDefault("LOUPE_CACHE", "");
            if (!own.isBlank()) {
                return Optional.of(Path.of(own).toAbsolutePath());
            }
            String local = environment.getOrDefault(os.contains("win") ? "LOCALAPPDATA" : "XDG_CACHE_HOME", "");
            // The specification of XDG_CACHE_HOME says that relative paths are to be ignored.
            if (!local.isBlank() && Path.of(local).isAbsolute() && !os.contains("mac")) {
                return Optional.of(Path.of(local, "loupe"));
            }
            if (home == null || home.isBlank() || !Path.of(home).isAbsolute()) {
                return Optional.empty();
            }
            return Optional.of(
                    os.contains("mac")
                            ? Path.of(home, "Library", "Caches", "loupe")
                            : os.contains("win")
                                    ? Path.of(home, "AppData", "Local", "loupe")
                                    : Path.of(home, ".cache", "loupe"));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    /** The folder with the libraries, unpacked now or before; nothing if that can't be. */
    Optional<Path> in(Path cache) {
        try {
            if (resource("onnxruntime_providers_cuda") != null) {
                return Optional.empty();
            }
            Path folder = cache.resolve("onnxruntime-" + version() + "-" + platform);
            for (String library : LIBRARIES) {
                URL resource = resource(library);
                if (resource == null || !(resource.openConnection() instanceof JarURLConnection jar)) {
                    return Optional.empty();
                }
                Path file = folder.resolve(System.mapLibraryName(library));
                if (!isSame(file, jar)) {
                    unpack(jar, file);
                }
                // Not so on file systems from which nothing may be run.
                if (!Files.isExecutable(file)) {
                    return Optional.empty();
                }
            }
            return Optional.of(folder);
        } catch (IOException | UncheckedIOException e) {
            // The other way is slower, and the only one here.
            return Optional.empty();
        }
    }

    private @Nullable URL resource(String library) {
        return loader.getResource("ai/onnxruntime/native/" + platform + "/" + System.mapLibraryName(library));
    }

    private static String version() {
        @Nullable String version = OrtSession.class.getPackage().getImplementationVersion();
        return version == null ? "unknown" : version;
    }

    /** What is loaded into the process is what the jar has, to the last byte. */
    private static boolean isSame(Path file, JarURLConnection jar) throws IOException {
        if (!Files.isRegularFile(file) || Files.size(file) != jar.getJarEntry().getSize()) {
            return false;
        }
        CRC32 sum = new CRC32();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
                InputStream in = Channels.newInputStream(channel)) {
            byte[] buffer = new byte[BUFFER];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                sum.update(buffer, 0, read);
            }
        }
        return sum.getValue() == jar.getJarEntry().getCrc();
    }

    private static void unpack(JarURLConnection jar, Path file) throws IOException {
        boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
        if (posix) {
            Files.createDirectories(
                    file.resolveSibling(""),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } else {
            Files.createDirectories(file.resolveSibling(""));
        }
        OutputFile.write(file, channel -> {
            try (InputStream in = jar.getInputStream()) {
                in.transferTo(Channels.newOutputStream(channel));
            }
        });
        if (posix) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        }
    }
}
