package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The architecture on trial, its small checkpoint, and models made of it on the reference backend in float64. */
final class ArchitectureBench implements AutoCloseable {

    private final ArchitectureProvider provider;
    private final Path folder;
    private @Nullable Backend backend;
    private @Nullable HookedTransformer raw;
    private @Nullable HookedTransformer processed;

    ArchitectureBench(ArchitectureProvider provider, Path folder) {
        this.provider = provider;
        this.folder = folder;
    }

    ArchitectureProvider provider() {
        return provider;
    }

    Path folder() {
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
    CheckpointConfig checkpointConfig() {
        return RandomCheckpoint.parse("config.json", configText());
    }

    /** The config as the provider reads it. */
    TransformerConfig config() {
        return provider.configure(checkpointConfig());
    }

    /** The checkpoint's files of tensors. */
    List<Path> tensorFiles() {
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
    Goldens goldens() {
        return Goldens.read(folder.resolve(Goldens.FILE));
    }

    /** The model with its weights as they are. */
    synchronized HookedTransformer raw() {
        HookedTransformer model = raw;
        if (model == null) {
            model = load(LoadOptions.noProcessing());
            raw = model;
        }
        return model;
    }

    /** The model with processed weights. */
    synchronized HookedTransformer processed() {
        HookedTransformer model = processed;
        if (model == null) {
            model = load(LoadOptions.defaults());
            processed = model;
        }
        return model;
    }

    /** Loads the checkpoint as a user would. */
    HookedTransformer load(LoadOptions options) {
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
