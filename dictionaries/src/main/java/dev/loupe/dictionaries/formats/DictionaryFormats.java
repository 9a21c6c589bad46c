package dev.loupe.dictionaries.formats;

import dev.loupe.architectures.files.ModelFiles;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Tells the formats of dictionaries apart by the files that are there. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class DictionaryFormats {

    private DictionaryFormats() {}

    /**
     * Reads a dictionary.
     *
     * @param files where its files are
     * @param folder what stands before their names: empty, or with a slash at the end
     * @param name what it was asked for by; layer and site are read off it where the files don't tell
     * @param at full name of the hook point, where neither tells; null otherwise
     * @throws IllegalArgumentException if there is no dictionary, or it can't be understood; says what was looked for
     */
    public static DictionaryFile read(ModelFiles files, String folder, String name, @Nullable String at) {
        if (files.has(folder + SaeLensFormat.CONFIG)) {
            return SaeLensFormat.read(files, folder, name, at);
        } else if (files.has(folder + GemmaScopeFormat.NPZ) || files.has(folder + GemmaScopeFormat.TENSORS)) {
            return GemmaScopeFormat.read(files, folder, name, at);
        } else if (files.has(folder + TranscoderSetFormat.CONFIG)) {
            throw new IllegalArgumentException(
                    where(files, folder) + " is a set of transcoders, one for each layer: load"
                            + " it with Dictionaries.loadSet, or name the dictionary of one layer");
        }
        throw new IllegalArgumentException(where(files, folder) + " holds no dictionary: looked for "
                + SaeLensFormat.CONFIG + " with " + SaeLensFormat.WEIGHTS + " (SAELens), for " + GemmaScopeFormat.NPZ
                + " or " + GemmaScopeFormat.TENSORS + " (Gemma Scope), and for " + TranscoderSetFormat.CONFIG
                + " with layer_N.safetensors (sets of transcoders)");
    }

    /** Reads a set of transcoders, in the order of their layers. */
    public static List<DictionaryFile> readSet(ModelFiles files, String folder, String name) {
        if (!files.has(folder + TranscoderSetFormat.CONFIG)) {
            throw new IllegalArgumentException(
                    where(files, folder) + " holds no set of transcoders: looked for " + TranscoderSetFormat.CONFIG);
        }
        return TranscoderSetFormat.read(files, folder, name);
    }

    static String where(ModelFiles files, String folder) {
        return folder.isEmpty() ? files.source() : files.source() + " › " + folder;
    }
}
