package dev.loupe.architectures.decoder;

import dev.loupe.architecture.CheckpointConfig;
import java.util.LinkedHashSet;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Ids of special tokens in a Hugging Face config, which gives one id, a list of ids, null, or nothing. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SpecialIds {

    /** Fallback of a family that has none of its own. */
    public static final long NONE = Long.MAX_VALUE;

    private SpecialIds() {}

    /**
     * {@code bos_token_id}: the first, where there are several.
     *
     * @param fallback the family's own, for a config that doesn't have the key
     * @param vocabulary number of tokens; a fallback beyond it doesn't count
     * @return null if the config says that there is none
     * @throws IllegalArgumentException if the value is no id
     */
    public static @Nullable Long bos(CheckpointConfig config, long fallback, int vocabulary) {
        return read(config, "bos_token_id", fallback, vocabulary).stream()
                .findFirst()
                .orElse(null);
    }

    /**
     * {@code eos_token_id}: all of them.
     *
     * @param fallback the family's own, for a config that doesn't have the key
     * @param vocabulary number of tokens; a fallback beyond it doesn't count
     * @throws IllegalArgumentException if the value is no id
     */
    public static Set<Long> eos(CheckpointConfig config, long fallback, int vocabulary) {
        return read(config, "eos_token_id", fallback, vocabulary);
    }

    private static Set<Long> read(CheckpointConfig config, String key, long fallback, int vocabulary) {
        if (!config.keys().contains(key)) {
            return fallback < vocabulary ? Set.of(fallback) : Set.of();
        }
        return new LinkedHashSet<>(config.ids(key));
    }
}
