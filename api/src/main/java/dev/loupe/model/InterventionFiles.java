package dev.loupe.model;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The tensors that interventions name by their files, each read once: for a run, or for all steps of a generation. */
final class InterventionFiles {

    private record Named(String file, String name) {}

    private final Map<Named, HostTensor> read = new HashMap<>();

    /**
     * A tensor of a file.
     *
     * @throws IllegalArgumentException if the file doesn't have it; names the nearest
     * @throws java.io.UncheckedIOException if the file can't be read
     */
    HostTensor tensor(String file, String name) {
        Named named = new Named(file, name);
        HostTensor known = read.get(named);
        if (known == null) {
            try (SafetensorsFile opened = SafetensorsFile.open(Path.of(file))) {
                if (!opened.names().contains(name)) {
                    throw new IllegalArgumentException(
                            file + " has no tensor '" + name + "'; near are " + Nearest.to(name, opened.names(), 3));
                }
                known = opened.read(name);
            }
            read.put(named, known);
        }
        return known;
    }
}
