package dev.loupe.backend.onnx.runtime;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;

/** What all sessions of one backend share: the process' environment, threads, memory. */
public final class OnnxRuntime {

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

    /** Settings for a session; closed by the caller. */
    OrtSession.SessionOptions options() throws OrtException {
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
        return options;
    }
}
