package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.List;
import org.apiguardian.api.API;

/** The files of one checkpoint, by name. */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface ModelFiles {

    /** Where they are, for messages. */
    String source();

    /**
     * Whether there is a file of that name.
     *
     * @throws IllegalArgumentException if the name would lead to another place
     */
    boolean has(String file);

    /**
     * The content of a small file.
     *
     * @throws IllegalArgumentException if there is none
     * @throws java.io.UncheckedIOException if it can't be read
     */
    byte[] read(String file);

    /**
     * Opens a file of tensors.
     *
     * @throws IllegalArgumentException if there is none, or it is damaged
     * @throws java.io.UncheckedIOException if it can't be read
     */
    SafetensorsFile openTensors(String file);

    /**
     * The content of a file of any size, to be read once and closed.
     *
     * @throws IllegalArgumentException if there is none
     * @throws java.io.UncheckedIOException if it can't be read
     */
    default InputStream stream(String file) {
        return new ByteArrayInputStream(read(file));
    }

    /** The names of all files, where they can be listed; otherwise of none. */
    default List<String> list() {
        return List.of();
    }

    /** Those of some files that are there. */
    default List<String> present(List<String> candidates) {
        return candidates.stream().filter(this::has).toList();
    }
}
