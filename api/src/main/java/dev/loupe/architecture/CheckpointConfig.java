package dev.loupe.architecture;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint's {@code config.json}, read by name. Every getter says which key is missing or of the wrong
 * kind.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class CheckpointConfig {

    private final String source;
    private final Map<String, ?> values;

    /**
     * A config.
     *
     * @param source where it was read, for messages
     * @param values the JSON object: String, Boolean, Integer, Long, Double, List, Map; a JSON null is a key
     *     with a null value
     */
    public CheckpointConfig(String source, Map<String, ?> values) {
        this.source = source;
        this.values = values;
    }

    /** Where the config was read. */
    public String source() {
        return source;
    }

    /** {@code model_type}, or the empty string. */
    public String modelType() {
        return string("model_type", "");
    }

    /** {@code architectures}: class names in Hugging Face transformers; may be empty. */
    public List<String> architectures() {
        Object list = values.get("architectures");
        return list instanceof List<?> names
                ? names.stream().map(String::valueOf).toList()
                : List.of();
    }

    /** Whether the key is there with a value other than null. */
    public boolean has(String key) {
        return values.get(key) != null;
    }

    /** The keys. */
    public Set<String> keys() {
        return new TreeSet<>(values.keySet());
    }

    /** The value as it stands in the JSON, or null. */
    public @Nullable Object raw(String key) {
        return values.get(key);
    }

    /**
     * A whole number that must be there.
     *
     * @throws IllegalArgumentException if it is missing, has a fraction, or is outside what its key allows; says the
     *     file, the key, the value and what is allowed
     */
    public int integer(String key) {
        return ConfigNumbers.integer(source, key, require(key, Number.class, "a whole number"));
    }

    /** A whole number, or the fallback if the key is missing or null. */
    public int integer(String key, int fallback) {
        return has(key) ? integer(key) : fallback;
    }

    /**
     * A number that must be there.
     *
     * @throws IllegalArgumentException if it is missing, not finite, or outside what its key allows; says the file, the
     *     key, the value and what is allowed
     */
    public double number(String key) {
        return ConfigNumbers.number(source, key, require(key, Number.class, "a number"));
    }

    /**
     * Ids of tokens: of one id, or of a list; none if the key is missing or null.
     *
     * @throws IllegalArgumentException if one of them is no whole number; names the file and the key
     */
    public List<Long> ids(String key) {
        return ConfigNumbers.ids(source, key, values.get(key));
    }

    /** A number, or the fallback if the key is missing or null. */
    public double number(String key, double fallback) {
        return has(key) ? number(key) : fallback;
    }

    /** A truth value, or the fallback if the key is missing or null. */
    public boolean bool(String key, boolean fallback) {
        return has(key) ? require(key, Boolean.class, "true or false") : fallback;
    }

    /** A string, or the fallback if the key is missing or null. */
    public String string(String key, String fallback) {
        return has(key) ? require(key, String.class, "a string") : fallback;
    }

    /** A nested object; an empty one if the key is missing or null. */
    public CheckpointConfig object(String key) {
        if (!has(key)) {
            return new CheckpointConfig(source + " › " + key, Map.of());
        }
        @SuppressWarnings("unchecked")
        Map<String, ?> map = require(key, Map.class, "an object");
        return new CheckpointConfig(source + " › " + key, map);
    }

    /**
     * This config with a value for a key that is missing or null: for families that spell a common setting in
     * a way of their own, or have another default for it.
     */
    public CheckpointConfig withDefault(String key, Object value) {
        if (has(key)) {
            return this;
        }
        Map<String, Object> more = new LinkedHashMap<>(values);
        more.put(key, value);
        return new CheckpointConfig(source, more);
    }

    private <T> T require(String key, Class<T> type, String kind) {
        Object value = values.get(key);
        if (value == null) {
            throw new IllegalArgumentException(
                    source + " lacks '" + key + "' (" + kind + "); it has " + ConfigNumbers.shown(keys()));
        }
        if (!type.isInstance(value)) {
            throw ConfigNumbers.refused(source, key, kind, value);
        }
        return type.cast(value);
    }

    @Override
    public String toString() {
        return source + " " + values;
    }
}
