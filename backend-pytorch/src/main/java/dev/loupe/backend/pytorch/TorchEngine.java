package dev.loupe.backend.pytorch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtEngineProvider;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.pytorch.TorchDevice.Kind;
import dev.loupe.plugin.ForeignLogging;
import org.jspecify.annotations.Nullable;

/** DJL's PyTorch engine, which is loaded once for the whole process, quietly and without the network. */
final class TorchEngine {

    private static final int MOST_WORDS = 300;

    private static @Nullable TorchEngine loaded;

    private final Engine engine;
    private final PtSymbolBlock functions;

    private TorchEngine(Engine engine) {
        this.engine = engine;
        this.functions = Torch.load((PtNDManager) engine.newBaseManager(Device.cpu()), ScriptArchive.build());
    }

    /**
     * Loads the engine.
     *
     * @throws BackendUnavailableException if that fails
     */
    static synchronized TorchEngine load() {
        TorchEngine known = loaded;
        if (known == null) {
            known = start();
            loaded = known;
        }
        return known;
    }

    private static TorchEngine start() {
        // Read when DJL's class Engine is initialised: without them it downloads what it misses and reports its use
        // to its makers. What the user has set stays.
        setIfAbsent("ai.djl.offline");
        setIfAbsent("OPT_OUT_TRACKING");
        ForeignLogging.beSilentWithoutProvider();
        NativeLibraries.setFlavorOfOwnLibtorch();
        try {
            PtEngineProvider provider = new PtEngineProvider();
            Engine.registerEngine(provider);
            return new TorchEngine(provider.getEngine());
        } catch (EngineException | LinkageError | AssertionError | IllegalStateException e) {
            throw new BackendUnavailableException(
                    "The backend 'pytorch' could not load libtorch: " + reason(e) + ". "
                            + (NativeLibraries.isOwn()
                                    ? "Is the libtorch that PYTORCH_LIBRARY_PATH names whole? Python's torch for CUDA"
                                            + " needs the packages nvidia-* beside it, which pip installs with it"
                                    : "The native libraries are unpacked to ~/.djl.ai (or ENGINE_CACHE_DIR), which must"
                                            + " be writable and have 500 MB free; a damaged copy there can be deleted"),
                    e);
        }
    }

    private static void setIfAbsent(String name) {
        if (System.getProperty(name) == null) {
            System.setProperty(name, "true");
        }
    }

    private static String reason(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }

    String version() {
        return engine.getVersion();
    }

    /**
     * Whether this libtorch was built for NVIDIA GPUs. Not what libtorch says of itself: it denies it where it sees no
     * GPU, and then nobody would learn why there is none.
     */
    boolean builtForCuda() {
        return new OwnLibtorch(Torch.folder()).isForCuda();
    }

    /** Why libtorch can't use a GPU that the driver shows, in its own words; null if it can. */
    @Nullable
    String problemOf(Device gpu) {
        try (PtNDManager manager = (PtNDManager) engine.newBaseManager(gpu)) {
            Torch.full(manager, DataType.FLOAT32, new long[] {1}, 0).close();
            return null;
        } catch (EngineException e) {
            String said = String.valueOf(e.getMessage())
                    .lines()
                    .findFirst()
                    .orElse("")
                    .strip();
            return said.length() <= MOST_WORDS ? said : said.substring(0, MOST_WORDS) + " ...";
        }
    }

    /** The CPU, treated otherwise than a CPU is: for what can be seen of that without a GPU. */
    TorchDevice cpuAs(String name, Kind kind, long memoryBytes) {
        return new TorchDevice(name, memoryBytes, () -> manager(Device.cpu()), functions, kind);
    }

    /**
     * A device under a name, which may be one of several for the same processor.
     *
     * @param memoryBytes of its own, 0 on a CPU
     */
    TorchDevice device(String name, Device device, long memoryBytes) {
        return new TorchDevice(
                name, memoryBytes, () -> manager(device), functions, device.isGpu() ? Kind.GPU : Kind.CPU);
    }

    private PtNDManager manager(Device device) {
        return (PtNDManager) engine.newBaseManager(device);
    }
}
