package dev.loupe.backend.onnx;

import dev.loupe.backend.Availability;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Looks at which ONNX Runtime is installed, without starting it. */
final class Installation {

    private static final String ARTIFACT = "com.microsoft.onnxruntime:onnxruntime";
    private static final String WANTED = "1.28.0";

    private final ClassLoader loader;

    /** Looks in the class path of a class loader. */
    Installation(ClassLoader loader) {
        this.loader = loader;
    }

    Availability probe() {
        Class<?> session;
        try {
            session = Class.forName("ai.onnxruntime.OrtSession", false, loader);
        } catch (ClassNotFoundException | LinkageError e) {
            return new Availability.Unavailable(
                    Availability.Reason.MISSING_LIBRARY,
                    "ONNX Runtime is not on the class path",
                    "add the artifact " + ARTIFACT + ":" + WANTED,
                    e);
        }
        String version = version(session);
        if (!hasWhatWeUse(session)) {
            return new Availability.Unavailable(
                    Availability.Reason.WRONG_VERSION,
                    "ONNX Runtime " + version + " is too old: it can't write results into given memory",
                    "use " + ARTIFACT + ":" + WANTED + " (something else on the class path asks for the older one)",
                    null);
        }
        String platform = platform();
        if (!UnpackedLibraries.areElsewhere() && !hasNatives(platform)) {
            return new Availability.Unavailable(
                    Availability.Reason.UNSUPPORTED_PLATFORM,
                    "ONNX Runtime " + version + " brings no native library for " + platform,
                    "build one for this platform and name its folder by -D" + UnpackedLibraries.PROPERTY
                            + ", or choose another backend",
                    null);
        }
        return new Availability.Available("ONNX Runtime " + version + " on " + platform);
    }

    private static String version(Class<?> session) {
        @Nullable String version = session.getPackage().getImplementationVersion();
        return version == null ? "of unknown version" : version;
    }

    private static boolean hasWhatWeUse(Class<?> session) {
        try {
            session.getMethod("run", Map.class, Map.class);
            return true;
        } catch (NoSuchMethodException | LinkageError e) {
            return false;
        }
    }

    /** The folder of natives for this machine, as ONNX Runtime names it: {@code linux-x64}. */
    static String platform() {
        String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String system = os.contains("mac") || os.contains("darwin")
                ? "osx"
                : os.contains("win") ? "win" : os.contains("nux") ? "linux" : os.replace(' ', '-');
        String processor = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        String architecture = processor.startsWith("amd64") || processor.startsWith("x86_64") ? "x64" : processor;
        return system + "-" + architecture;
    }

    private boolean hasNatives(String platform) {
        String folder = "ai/onnxruntime/native/" + platform + "/";
        for (String file : new String[] {"libonnxruntime.so", "libonnxruntime.dylib", "onnxruntime.dll"}) {
            if (loader.getResource(folder + file) != null) {
                return true;
            }
        }
        return false;
    }
}
