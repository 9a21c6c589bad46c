package dev.loupe.architectures.files;

import dev.loupe.array.safetensors.SafetensorsFile;
import java.util.List;

/** A model that comes with Loupe, on the class path. */
public final class BundledFiles implements ModelFiles {

    private static final String ROOT = "/dev/loupe/architectures/bundled/";
    private static final List<String> NAMES = List.of("toy-gpt2", "toy-llama", "toy-mistral");

    private final ModelFiles files;

    /**
     * The files of a bundled model.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public BundledFiles(String name) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException("There is no bundled model '" + name + "'; there are " + NAMES);
        }
        this.files = new ResourceFiles(BundledFiles.class, ROOT, name);
    }

    /** The names of the models that come with Loupe. */
    public static List<String> names() {
        return NAMES;
    }

    @Override
    public String source() {
        return files.source();
    }

    @Override
    public boolean has(String file) {
        return files.has(file);
    }

    @Override
    public byte[] read(String file) {
        return files.read(file);
    }

    @Override
    public SafetensorsFile openTensors(String file) {
        return files.openTensors(file);
    }
}
