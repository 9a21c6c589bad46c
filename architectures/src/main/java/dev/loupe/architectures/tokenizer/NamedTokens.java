package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The tokens that stand beside a vocabulary in the files around it, as transformers reads them: those of {@code
 * added_tokens_decoder} in {@code tokenizer_config.json} or else of {@code added_tokens.json}, and the special tokens
 * of {@code tokenizer_config.json} and {@code special_tokens_map.json}.
 */
final class NamedTokens {

    static final String SETTINGS = "tokenizer_config.json";
    static final String SPECIAL = "special_tokens_map.json";
    static final String ADDED = "added_tokens.json";

    private static final String DECODER = "added_tokens_decoder";
    private static final String END_OF_TEXT = "<|endoftext|>";
    private static final List<String> FLAGS = List.of("single_word", "lstrip", "rstrip", "normalized", "special");
    /** In the order in which those that the vocabulary lacks are numbered. */
    private static final List<String> ROLES =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    private static final List<String> MORE = List.of("additional_special_tokens", "extra_special_tokens");

    private final ObjectNode vocabulary;
    private final Map<String, ObjectNode> tokens = new LinkedHashMap<>();

    private NamedTokens(ObjectNode vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** The tokens in the form in which {@code tokenizer.json} lists them, by their ids. */
    static ArrayNode read(ModelFiles files, ObjectNode settings, ObjectNode vocabulary) {
        NamedTokens named = new NamedTokens(vocabulary);
        Map<String, JsonNode> special = special(settings, JsonFiles.optional(files, SPECIAL));
        if (settings.path(DECODER) instanceof ObjectNode decoder) {
            String where = files.source() + "/" + SETTINGS + ": " + DECODER;
            for (Map.Entry<String, JsonNode> entry : decoder.properties()) {
                named.add(content(entry.getValue()), entry.getValue(), id(entry.getKey(), where), true);
            }
        } else {
            String where = files.source() + "/" + ADDED;
            for (Map.Entry<String, JsonNode> entry :
                    JsonFiles.optional(files, ADDED).properties()) {
                String content = entry.getKey();
                JsonNode like = special.getOrDefault(content, entry.getValue());
                named.add(content, like, id(entry.getValue().asText(), where), special.containsKey(content));
            }
        }
        if (vocabulary.has(END_OF_TEXT)) {
            special.putIfAbsent(END_OF_TEXT, settings.textNode(END_OF_TEXT));
        }
        special.forEach((content, how) -> {
            if (!named.tokens.containsKey(content)) {
                JsonNode known = vocabulary.path(content);
                named.add(content, how, known.isInt() ? known.intValue() : named.next(), true);
            }
        });
        List<ObjectNode> sorted = new ArrayList<>(named.tokens.values());
        sorted.sort(
                (a, b) -> Integer.compare(a.path("id").intValue(), b.path("id").intValue()));
        return settings.arrayNode().addAll(sorted);
    }

    private static Map<String, JsonNode> special(ObjectNode settings, ObjectNode map) {
        Map<String, JsonNode> special = new LinkedHashMap<>();
        for (ObjectNode file : List.of(settings, map)) {
            for (String role : ROLES) {
                put(special, file.path(role));
            }
            for (String list : MORE) {
                file.path(list).forEach(token -> put(special, token));
            }
        }
        return special;
    }

    private static void put(Map<String, JsonNode> special, JsonNode token) {
        if (!content(token).isEmpty()) {
            special.putIfAbsent(content(token), token);
        }
    }

    /** A token is its text, or an object that also says how it is recognised. */
    private static String content(JsonNode token) {
        return token.isTextual() ? token.textValue() : token.path("content").asText();
    }

    private static int id(String text, String where) {
        try {
            int id = Integer.parseInt(text);
            if (id >= 0) {
                return id;
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(where + " should give tokens and ids, found the id '" + text + "'", e);
        }
        throw new IllegalArgumentException(where + " should give tokens and ids, found the id '" + text + "'");
    }

    private int next() {
        int last = vocabulary.size() - 1;
        for (ObjectNode token : tokens.values()) {
            last = Math.max(last, token.path("id").intValue());
        }
        return last + 1;
    }

    private void add(String content, JsonNode how, int id, boolean special) {
        ObjectNode token = vocabulary.objectNode();
        token.put("id", id).put("content", content);
        for (String flag : FLAGS) {
            boolean otherwise = flag.equals("special") ? special : flag.equals("normalized") && !special;
            token.put(flag, how.path(flag).asBoolean(otherwise));
        }
        tokens.put(content, token);
    }
}
