package dev.loupe.architectures.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architectures.files.JsonFiles;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/** The {@code added_tokens} of a {@code tokenizer.json}, checked against the rest of it. */
final class AddedTokens {

    private AddedTokens() {}

    /**
     * Checks the ids: the tokenizers library numbers these tokens itself, so that what the file says has to be what
     * it comes to. Otherwise text would be tokenized with other ids than the file has.
     *
     * @throws IllegalArgumentException names the file, the token and both ids
     */
    static void checkIds(ObjectNode description, String file) {
        JsonNode vocabulary = description.path("model").path("vocab");
        Map<String, Integer> pieces = new HashMap<>();
        if (vocabulary.isArray()) {
            for (int i = 0; i < vocabulary.size(); i++) {
                pieces.put(vocabulary.path(i).path(0).asText(), i);
            }
        } else {
            vocabulary
                    .properties()
                    .forEach(
                            piece -> pieces.put(piece.getKey(), piece.getValue().intValue()));
        }
        Map<String, Integer> ids = new HashMap<>();
        int largest = -1;
        JsonNode added = description.path("added_tokens");
        for (int i = 0; i < added.size(); i++) {
            String content = added.path(i).path("content").asText();
            if (content.isEmpty()) {
                // The library leaves it out.
                continue;
            }
            Integer known = ids.containsKey(content) ? ids.get(content) : pieces.get(content);
            int id = known != null ? known : Math.max(vocabulary.size(), largest + 1);
            int said = added.path(i).path("id").asInt(-1);
            if (said != id) {
                String why = known != null
                        ? "stands elsewhere with the id " + id
                        : "those that aren't in the vocabulary of " + vocabulary.size()
                                + " are numbered from there on in the order of the list, which gives it " + id;
                throw new IllegalArgumentException(file + ": added_tokens[" + i + "], '" + content + "', has the id "
                        + said + ", but " + why + ". Get the file again.");
            }
            ids.put(content, id);
            largest = Math.max(largest, id);
        }
    }

    /**
     * Checks that there is something left of each token to be found in a text, once it is normalized as the text is.
     *
     * @param open opens a tokenizer by its description
     * @throws IllegalArgumentException names the file and the token
     */
    static void checkNormalized(ObjectNode description, String file, Function<ObjectNode, HuggingFaceTokenizer> open) {
        JsonNode normalizer = description.path("normalizer");
        if (normalizer.isNull() || normalizer.isMissingNode()) {
            return;
        }
        // Of a tokenizer for which every text is one unknown word, only the normalizer shows.
        ObjectNode bare = JsonFiles.object().put("version", "1.0");
        bare.putArray("added_tokens");
        bare.set("normalizer", normalizer);
        ObjectNode model = bare.putObject("model").put("type", "WordLevel").put("unk_token", "?");
        model.putObject("vocab").put("?", 0);
        JsonNode added = description.path("added_tokens");
        try (HuggingFaceTokenizer words = open.apply(bare)) {
            for (int i = 0; i < added.size(); i++) {
                String content = added.path(i).path("content").asText();
                boolean asTexts = added.path(i).path("normalized").asBoolean() && !content.isEmpty();
                if (asTexts && words.encode(content, false, false).getIds().length == 0) {
                    throw new IllegalArgumentException(file + ": added_tokens[" + i + "], '" + content
                            + "', is to be normalized, but the normalizer leaves nothing of it. Get the file again.");
                }
            }
        }
    }
}
