package dev.loupe.backend.pytorch;

import dev.loupe.backend.Availability;
import dev.loupe.backend.Availability.Available;
import dev.loupe.backend.Availability.Reason;
import dev.loupe.backend.Availability.Unavailable;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * Finds out whether DJL would find its native libraries on the class path, by reading the property files that it
 * reads. Loads no class of DJL's and no library. What DJL doesn't find it would download.
 */
final class NativeLibraries {

    private static final String ENGINE = "pytorch-engine.properties";
    private static final String NATIVES = "native/lib/pytorch.properties";
    private static final String JNI = "jnilib/pytorch.properties";
    private static final List<String> FLAVORS = List.of("cpu", "cu128");
    private static final List<String> PLATFORMS = List.of("linux-x86_64", "linux-aarch64", "osx-aarch64", "win-x86_64");

    private final ClassLoader loader;
    private final String platform;

    private NativeLibraries(ClassLoader loader, String platform) {
        this.loader = loader;
        this.platform = platform;
    }

    static Availability probe() {
        try {
            ClassLoader context = Thread.currentThread().getContextClassLoader();
            ClassLoader loader = context != null ? context : NativeLibraries.class.getClassLoader();
            String platform = platform(System.getProperty("os.name"), System.getProperty("os.arch"));
            return new NativeLibraries(loader, platform).look();
        } catch (IOException | RuntimeException | LinkageError e) {
            return new Unavailable(
                    Reason.BROKEN_PROVIDER,
                    "looking for PyTorch's native libraries failed: " + e,
                    "check the jars of ai.djl.pytorch on the class path",
                    e);
        }
    }

    private Availability look() throws IOException {
        Properties engine = read(loader.getResource(ENGINE));
        if (engine == null) {
            return new Unavailable(
                    Reason.MISSING_LIBRARY,
                    "DJL's PyTorch engine is not on the class path (no resource " + ENGINE + ")",
                    "add ai.djl.pytorch:pytorch-engine, which loupe-backend-pytorch depends on",
                    null);
        }
        String version = engine.getProperty("pytorch_version", "");
        String djl = engine.getProperty("djl_version", "");
        String given = setting("PYTORCH_LIBRARY_PATH");
        if (given != null && !given.isEmpty()) {
            return own(new OwnLibtorch(Path.of(given)), version, djl);
        }
        List<Properties> found = new ArrayList<>();
        for (URL url : Collections.list(loader.getResources(NATIVES))) {
            Properties natives = read(url);
            if (natives != null && natives.getProperty("placeholder") == null) {
                found.add(natives);
            }
        }
        for (Properties natives : found) {
            if (platform.equals(natives.getProperty("classifier"))) {
                return withJni(natives, djl);
            }
        }
        return found.isEmpty() ? noNatives(version) : otherPlatforms(found, version);
    }

    private Availability own(OwnLibtorch libtorch, String version, String djl) throws IOException {
        String where = "PYTORCH_LIBRARY_PATH is '" + libtorch.folder() + "', that is ";
        String found = libtorch.version();
        if (!libtorch.isThere()) {
            return new Unavailable(
                    Reason.MISSING_LIBRARY,
                    "PYTORCH_LIBRARY_PATH is '" + libtorch.folder() + "', but there is no " + OwnLibtorch.library()
                            + " in it",
                    (new OwnLibtorch(libtorch.folder().resolve("lib")).isThere()
                                    ? "name its folder 'lib'"
                                    : "name the folder 'lib' of a libtorch " + version)
                            + ", or unset it to use the one on the class path",
                    null);
        }
        if (found != null && !found.equals(version)) {
            return new Unavailable(
                    Reason.WRONG_VERSION,
                    where + "libtorch " + found + ", but DJL " + djl + " and its native library need " + version,
                    "install libtorch " + version + " (Python's torch==" + version + " has it), see docs/gpu.md",
                    null);
        }
        String flavor = flavor(libtorch);
        if (!flavor.startsWith("cpu") && !libtorch.isForCuda()) {
            return new Unavailable(
                    Reason.WRONG_VERSION,
                    where + "a libtorch that is built for the CPU, but PYTORCH_FLAVOR is '" + flavor + "'",
                    "unset PYTORCH_FLAVOR; or for a GPU install libtorch " + version + " for CUDA, see docs/gpu.md",
                    null);
        }
        Unavailable unfit = withoutJni(where, version, flavor, djl);
        return unfit != null
                ? unfit
                : new Available("libtorch " + (found == null ? "of unknown version" : found) + " in "
                        + libtorch.folder() + " (PYTORCH_LIBRARY_PATH, " + flavor + "), DJL " + djl
                        + (libtorch.isForCuda() ? "; " + CudaDriver.here().describe() : ""));
    }

    private static String flavor(OwnLibtorch libtorch) {
        String set = setting("PYTORCH_FLAVOR");
        return set != null && !set.isEmpty() ? set : libtorch.flavor();
    }

    /** Whether the user has named a libtorch. */
    static boolean isOwn() {
        String given = setting("PYTORCH_LIBRARY_PATH");
        return given != null && !given.isEmpty();
    }

    /** Tells DJL which flavour a libtorch of the user's has, unless the user has: it would guess one that isn't there. */
    static void setFlavorOfOwnLibtorch() {
        String given = setting("PYTORCH_LIBRARY_PATH");
        if (given != null && !given.isEmpty() && setting("PYTORCH_FLAVOR") == null) {
            System.setProperty("PYTORCH_FLAVOR", new OwnLibtorch(Path.of(given)).flavor());
        }
    }

    private Availability withJni(Properties natives, String djl) throws IOException {
        String version = natives.getProperty("version", "").replaceFirst("-.*", "");
        String flavor = natives.getProperty("flavor", "");
        Unavailable unfit = withoutJni("on the class path is ", version, flavor, djl);
        return unfit != null
                ? unfit
                : new Available("libtorch " + version + " (" + flavor + ", " + platform + "), DJL " + djl);
    }

    /** What is wrong with the library that ties a libtorch to Java; null if it is there and fits. */
    private @Nullable Unavailable withoutJni(String where, String version, String flavor, String djl)
            throws IOException {
        Properties jni = read(loader.getResource(JNI));
        String wanted = version + "-" + djl;
        String remedy = "add ai.djl.pytorch:pytorch-jni:" + wanted;
        if (jni == null) {
            return new Unavailable(
                    Reason.MISSING_LIBRARY,
                    where + "libtorch " + version + ", but the library that ties it to Java is missing (no resource "
                            + JNI + ")",
                    remedy,
                    null);
        }
        String present = jni.getProperty("jni_version", "none");
        if (!present.startsWith(wanted)) {
            return new Unavailable(
                    Reason.WRONG_VERSION,
                    "pytorch-jni is " + present + ", but libtorch " + version + " and DJL " + djl + " need " + wanted,
                    remedy,
                    null);
        }
        if (!has(flavor)) {
            return new Unavailable(
                    Reason.WRONG_VERSION,
                    where + "libtorch " + version + " for '" + flavor + "', and pytorch-jni " + present + " has "
                            + FLAVORS.stream().filter(this::has).toList() + " for " + platform,
                    "for CUDA use libtorch " + version + " for CUDA 12.8, see docs/gpu.md; for the CPU"
                            + " ai.djl.pytorch:pytorch-native-cpu, without PYTORCH_LIBRARY_PATH",
                    null);
        }
        return null;
    }

    private boolean has(String flavor) {
        String folder = "jnilib/" + platform + "/" + flavor + "/";
        return loader.getResource(folder) != null || loader.getResource(folder + libraryName()) != null;
    }

    private static String libraryName() {
        return System.mapLibraryName("djl_torch");
    }

    private Availability noNatives(String version) {
        return PLATFORMS.contains(platform)
                ? new Unavailable(
                        Reason.MISSING_LIBRARY,
                        "libtorch is not on the class path (no resource " + NATIVES + ")",
                        remedy(version),
                        null)
                : new Unavailable(
                        Reason.UNSUPPORTED_PLATFORM,
                        "there is no libtorch " + version + " for " + platform + ", only for " + PLATFORMS,
                        "use another backend, or set PYTORCH_LIBRARY_PATH to a libtorch of your own",
                        null);
    }

    private Availability otherPlatforms(List<Properties> found, String version) {
        List<String> classifiers = found.stream()
                .map(natives -> natives.getProperty("classifier", "?"))
                .toList();
        return new Unavailable(
                Reason.UNSUPPORTED_PLATFORM,
                "the libtorch on the class path is for " + classifiers + ", this is " + platform,
                PLATFORMS.contains(platform) ? remedy(version) : "use another backend",
                null);
    }

    private String remedy(String version) {
        return "add ai.djl.pytorch:pytorch-native-cpu:" + version + " with the classifier " + platform
                + " (runtime scope); for CUDA, see docs/gpu.md";
    }

    /** The platform in the words of DJL's classifiers: {@code linux-x86_64}. */
    static String platform(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        String prefix =
                os.startsWith("win") ? "win" : os.startsWith("mac") ? "osx" : os.startsWith("linux") ? "linux" : os;
        return prefix + "-" + ("amd64".equals(osArch) ? "x86_64" : osArch);
    }

    private static @Nullable String setting(String name) {
        String environment = System.getenv(name);
        return environment != null ? environment : System.getProperty(name);
    }

    private static @Nullable Properties read(@Nullable URL url) throws IOException {
        if (url == null) {
            return null;
        }
        Properties properties = new Properties();
        try (InputStream in = url.openStream()) {
            properties.load(in);
        }
        return properties;
    }
}
