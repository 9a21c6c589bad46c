package dev.loupe.backend.onnx.runtime;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtProvider;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.providers.OrtCUDAProviderOptions;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/** What all sessions of one backend share: the process' environment, threads, memory. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxRuntime {

    private static final Pattern MOST_DIRECT = Pattern.compile("-XX:MaxDirectMemorySize=(\\d{1,15})([kKmMgGtT]?)");

    // The environment is the process' own: whoever makes it first decides on the threads that sessions can share.
    private static int sharedThreads = -1;

    private final OrtEnvironment environment;
    private final String device;
    private final int threads;
    private final boolean sharesThreads;
    private final MemoryPool pool = new MemoryPool(Runtime.getRuntime().maxMemory() / 2);

    private OnnxRuntime(OrtEnvironment environment, String device, int threads, boolean sharesThreads) {
        this.environment = environment;
        this.device = device;
        this.threads = threads;
        this.sharesThreads = sharesThreads;
    }

    /**
     * Starts the runtime.
     *
     * @param device what to call the device
     * @param threads threads for one operation
     */
    public static synchronized OnnxRuntime start(String device, int threads) {
        if (sharedThreads < 0) {
            sharedThreads = makeEnvironment(threads) ? threads : 0;
        }
        return new OnnxRuntime(OrtEnvironment.getEnvironment(), device, threads, threads == sharedThreads);
    }

    private static boolean makeEnvironment(int threads) {
        try (OrtEnvironment.ThreadingOptions options = new OrtEnvironment.ThreadingOptions()) {
            options.setGlobalIntraOpNumThreads(threads);
            options.setGlobalInterOpNumThreads(1);
            options.setGlobalSpinControl(false);
            OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, "loupe", options);
            return true;
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime refused " + threads + " threads", e);
        } catch (IllegalStateException somebodyElseMadeIt) {
            return false;
        }
    }

    /** Bytes that Java lets direct buffers take: as many as its heap, unless it was told otherwise. */
    public static long mostDirectMemory() {
        return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .map(MOST_DIRECT::matcher)
                .filter(Matcher::matches)
                .mapToLong(size -> Long.parseLong(size.group(1)) << 10 * " kmgt".indexOf(unit(size.group(2))))
                .filter(bytes -> bytes > 0)
                .reduce(Runtime.getRuntime().maxMemory(), (before, last) -> last);
    }

    private static String unit(String suffix) {
        return suffix.isEmpty() ? " " : suffix.toLowerCase(Locale.ROOT);
    }

    /** The version of ONNX Runtime. */
    public String version() {
        return environment.getVersion();
    }

    String device() {
        return device;
    }

    OrtEnvironment environment() {
        return environment;
    }

    /** Memory for results. */
    public MemoryPool pool() {
        return pool;
    }

    /**
     * Checks that GPUs can be used.
     *
     * @throws IllegalStateException if they can't; says why and what to do
     */
    public void requireCuda(int first, int count) {
        if (!OrtEnvironment.getAvailableProviders().contains(OrtProvider.CUDA)) {
            throw new IllegalStateException("this build of ONNX Runtime " + version() + " is for the CPU only; put"
                    + " com.microsoft.onnxruntime:onnxruntime_gpu of the same version in place of"
                    + " com.microsoft.onnxruntime:onnxruntime");
        }
        for (int gpu = first; gpu < first + count; gpu++) {
            try (OrtSession.SessionOptions options = options(gpu)) {
                options.getConfigEntries();
            } catch (OrtException e) {
                throw new IllegalStateException(
                        "ONNX Runtime " + version() + " can't use GPU " + gpu + ": " + e.getMessage()
                                + "; check the driver, CUDA and cuDNN that this version needs",
                        e);
            }
        }
    }

    /**
     * Settings for a session; closed by the caller.
     *
     * @param gpu number of the GPU; negative for the CPU
     */
    OrtSession.SessionOptions options(int gpu) throws OrtException {
        OrtSession.SessionOptions options = new OrtSession.SessionOptions();
        if (sharesThreads) {
            options.disablePerSessionThreads();
        } else {
            options.setIntraOpNumThreads(threads);
        }
        options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
        // Beyond the basic ones, optimisations change results in the last bits, depending on what is an output.
        options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.BASIC_OPT);
        options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL);
        // Every session would spin by itself, and a model is many sessions.
        options.addConfigEntry("session.intra_op.allow_spinning", "0");
        options.addConfigEntry("session.inter_op.allow_spinning", "0");
        if (gpu >= 0) {
            try (OrtCUDAProviderOptions cuda = new OrtCUDAProviderOptions(gpu)) {
                cuda.add("use_tf32", "0");
                options.addCUDA(cuda);
            }
        }
        return options;
    }
}
