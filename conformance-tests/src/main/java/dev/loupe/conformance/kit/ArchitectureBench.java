package dev.loupe.conformance.kit;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.conformance.cases.RandomCheckpoint;
import dev.loupe.conformance.measures.Goldens;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** The architecture on trial, its small checkpoint, and models made of it on the reference backend in float64. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ArchitectureBench implements AutoCloseable {

    private final ArchitectureProvider provider;
    private final Path folder;
    private @Nullable Backend backend;
    private @Nullable HookedTransformer raw;
    private @Nullable HookedTransformer processed;

    public ArchitectureBench(ArchitectureProvider provider, Path folder) {
        this.provider = provider;
        this.folder = folder;
    }

    public ArchitectureProvider provider() {
        return provider;
    }

    public Path folder() {
        return folder;
    }

    /** The text of the checkpoint's {@code config.json}. */
    String configText() {
        try {
            return Files.readString(folder.resolve("config.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(folder + " should hold a checkpoint: config.json, model.safetensors", e);
        }
    }

    /** The checkpoint's config. */
    public CheckpointConfig checkpointConfig() {
        return RandomCheckpoint.parse("config.json", configText());
    }

    /** The config as the provider reads it. */
    public TransformerConfig config() {
        return provider.configure(checkpointConfig());
    }

    /** The checkpoint's files of tensors. */
    public List<Path> tensorFiles() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".safetensors"))
                    .filter(file -> !file.endsWith(Goldens.FILE) && !file.endsWith(Goldens.GRADIENTS_FILE))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("Can't list " + folder, e);
        }
    }

    /** What the model should do. */
    public Goldens goldens() {
        return Goldens.read(folder.resolve(Goldens.FILE));
    }

    /** The model with its weights as they are. */
    public synchronized HookedTransformer raw() {
        HookedTransformer model = raw;
        if (model == null) {
            model = load(LoadOptions.noProcessing());
            raw = model;
        }
        return model;
    }

    /** The model with processed weights. */
    public synchronized HookedTransformer processed() {
        HookedTransformer model = processed;
        if (model == null) {
            model = load(LoadOptions.defaults());
            processed = model;
        }
        return model;
    }

    /** Loads the checkpoint as a user would. */
    public HookedTransformer load(LoadOptions options) {
        return HookedTransformer.fromPretrained(folder.toString(), options.withDType(DType.FLOAT64), backend());
    }

    private Backend backend() {
        Backend open = backend;
        if (open == null) {
            open = Backends.open("reference", BackendOptions.DEFAULT);
            backend = open;
        }
        return open;
    }

    @Override
    public synchronized void close() {
        for (HookedTransformer model : new @Nullable HookedTransformer[] {raw, processed}) {
            if (model != null) {
                model.close();
            }
        }
        if (backend != null) {
            backend.close();
        }
    }
}
