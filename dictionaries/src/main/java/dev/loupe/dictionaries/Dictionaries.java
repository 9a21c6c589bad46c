package dev.loupe.dictionaries;

import dev.loupe.architecture.LoadListener;
import dev.loupe.architectures.files.DirectoryFiles;
import dev.loupe.architectures.files.HubFiles;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.architectures.files.ResourceFiles;
import dev.loupe.architectures.hub.HubClient;
import dev.loupe.architectures.hub.HubSettings;
import dev.loupe.architectures.hub.Repository;
import dev.loupe.array.Nearest;
import dev.loupe.dictionaries.formats.DictionaryFile;
import dev.loupe.dictionaries.formats.DictionaryFormats;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Where dictionaries come from: bundled ones, directories, repositories on the Hugging Face Hub. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Dictionaries {

    private static final List<String> TRANSCODERS =
            List.of("mlp_0.transcoder", "mlp_1.transcoder", "mlp_2.transcoder", "mlp_3.transcoder");

    private static final List<String> BUNDLED = Stream.concat(
                    TRANSCODERS.stream(),
                    Stream.of("resid_post_1.jumprelu", "resid_post_2.topk", "resid_pre_3.standard"))
            .toList();

    private static final String RESOURCES = "/dev/loupe/dictionaries/bundled/";

    /** The name of the bundled transcoders, one for each layer of {@code toy-gpt2}. */
    public static final String BUNDLED_SET = "toy-gpt2.transcoders";

    private Dictionaries() {}

    /** Names of the dictionaries that come with Loupe, all for {@code toy-gpt2}. */
    public static List<String> bundled() {
        return BUNDLED;
    }

    /**
     * Loads a dictionary.
     *
     * @param name a bundled one ({@code resid_post_2.topk}), a directory, or {@code org/name:path} on the Hub
     * @throws IllegalArgumentException if there is none, or it can't be understood; says what was looked for
     * @throws UncheckedIOException if it can't be read or fetched
     */
    public static Dictionary load(String name) {
        return load(name, null);
    }

    /**
     * Loads a dictionary whose files don't say where it stands.
     *
     * @param at full name of the hook point that it reads and replaces; null if its files or its place tell
     */
    public static Dictionary load(String name, @Nullable String at) {
        return load(name, at, LoadListener.NONE);
    }

    /** Loads a dictionary, and tells somebody how that goes on. */
    public static Dictionary load(String name, @Nullable String at, LoadListener listener) {
        if (BUNDLED.contains(name)) {
            return dictionary(
                    DictionaryFormats.read(new ResourceFiles(Dictionaries.class, RESOURCES, name), "", name, at));
        }
        Place place = place(name, "dictionary", BUNDLED, false, listener);
        return dictionary(DictionaryFormats.read(place.files(), place.folder(), name, at));
    }

    private static Dictionary dictionary(DictionaryFile file) {
        return new Dictionary(file.config(), file.weights());
    }

    /**
     * Loads a set of transcoders, one for each layer: {@code config.yaml} and {@code layer_N.safetensors}.
     *
     * @param name a directory, or {@code org/name:path} on the Hub; {@code toy-gpt2.transcoders} is bundled
     */
    public static List<Dictionary> loadSet(String name) {
        return loadSet(name, LoadListener.NONE);
    }

    /** Loads a set of transcoders, and tells somebody how that goes on. */
    public static List<Dictionary> loadSet(String name, LoadListener listener) {
        if (name.equals(BUNDLED_SET)) {
            return TRANSCODERS.stream().map(Dictionaries::load).toList();
        }
        Place place = place(name, "set of transcoders", List.of(BUNDLED_SET), true, listener);
        return DictionaryFormats.readSet(place.files(), place.folder(), name).stream()
                .map(Dictionaries::dictionary)
                .toList();
    }

    /**
     * Where files are.
     *
     * @param folder what stands before their names: empty, or with a slash at the end
     */
    private record Place(ModelFiles files, String folder) {}

    /** A directory, or a folder of a repository on the Hub, or if it may be, a whole repository. */
    private static Place place(
            String name, String what, List<String> bundled, boolean wholeRepository, LoadListener listener) {
        Optional<Path> path = path(name);
        if (path.isPresent() && Files.isDirectory(path.get())) {
            return new Place(new DirectoryFiles(path.get()), "");
        }
        if (path.isPresent() && Files.isRegularFile(path.get())) {
            throw new IllegalArgumentException(
                    "'" + name + "' is a file. Give the directory it is in: a dictionary is a"
                            + " directory with cfg.json and sae_weights.safetensors, or with params.npz; a set of"
                            + " transcoders one with config.yaml");
        }
        int colon = name.indexOf(':');
        Optional<Repository> found = colon < 0 && !wholeRepository
                ? Optional.empty()
                : Repository.parse(colon < 0 ? name : name.substring(0, colon), "main");
        if (found.isEmpty()) {
            throw new IllegalArgumentException("There is no " + what + " '" + name + "'. Near it are "
                    + Nearest.to(name, bundled, 3) + "; a " + what + " is named by one of the bundled " + bundled
                    + ", by a directory, or by org/name:path/in/the/repository on the Hugging Face Hub");
        }
        String folder = colon < 0 ? "" : strip(name.substring(colon + 1));
        ModelFiles files = new HubFiles(new HubClient(HubSettings.from(System.getenv()), listener).open(found.get()));
        return new Place(files, folder.isEmpty() ? "" : folder + "/");
    }

    private static String strip(String folder) {
        String stripped = folder;
        while (stripped.endsWith("/")) {
            stripped = stripped.substring(0, stripped.length() - 1);
        }
        return stripped;
    }

    private static Optional<Path> path(String name) {
        try {
            return name.isBlank() ? Optional.empty() : Optional.of(Path.of(name));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }
}
