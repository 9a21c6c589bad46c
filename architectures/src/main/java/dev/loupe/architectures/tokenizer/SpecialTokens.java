package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Which tokens begin, end and pad a sequence, from the files in which Hugging Face puts it.
 *
 * @param bos begin of sequence
 * @param eos end of sequence
 * @param pad padding
 * @param addBos whether the tokenizer is said to put BOS first; empty if nothing is said
 */
record SpecialTokens(OptionalInt bos, OptionalInt eos, OptionalInt pad, Optional<Boolean> addBos) {

    private static final String GENERATION = "generation_config.json";

    static SpecialTokens read(ModelFiles files, CheckpointConfig config, Vocabulary vocabulary) {
        ObjectNode settings = JsonFiles.optional(files, NamedTokens.SETTINGS);
        List<ObjectNode> byName = List.of(settings, JsonFiles.optional(files, NamedTokens.SPECIAL));
        List<CheckpointConfig> byId = new ArrayList<>(List.of(config));
        if (files.has(GENERATION)) {
            byId.add(JsonFiles.config(files, GENERATION));
        }
        JsonNode addBos = settings.path("add_bos_token");
        return new SpecialTokens(
                find("bos_token", byName, byId, vocabulary),
                find("eos_token", byName, byId, vocabulary),
                find("pad_token", byName, byId, vocabulary),
                addBos.isBoolean() ? Optional.of(addBos.booleanValue()) : Optional.empty());
    }

    /** By its content, in the first file that says something; or else by its id, in the first config that does. */
    private static OptionalInt find(
            String key, List<ObjectNode> files, List<CheckpointConfig> configs, Vocabulary vocabulary) {
        for (ObjectNode file : files) {
            JsonNode value = file.path(key);
            if (value.isNull()) {
                return OptionalInt.empty();
            }
            // A string, or an object that also says how the token is recognised in a text.
            String content = value.isObject() ? value.path("content").asText() : value.asText();
            OptionalInt id = value.isMissingNode() ? OptionalInt.empty() : vocabulary.id(content);
            if (id.isPresent()) {
                return id;
            }
        }
        for (CheckpointConfig config : configs) {
            Object id = config.raw(key + "_id");
            Object first = id instanceof List<?> list && !list.isEmpty() ? list.get(0) : id;
            // Other numbers than integers, and larger ones, are ids of nothing.
            if (first instanceof Integer number && number >= 0 && number < vocabulary.size()) {
                return OptionalInt.of(number);
            }
        }
        return OptionalInt.empty();
    }
}
