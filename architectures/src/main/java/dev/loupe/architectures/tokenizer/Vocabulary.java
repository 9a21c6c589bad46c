package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * What stands for which id in a {@code tokenizer.json}, and how pieces spell text. The tokenizers library can't
 * be asked for either.
 */
final class Vocabulary {

    /** A token's content, and whether it was added to the model's own pieces and so means just what it says. */
    private record Entry(String content, boolean added) {}

    /** How pieces spell text. */
    private enum Spelling {
        /** Every byte is a character, as in GPT-2 and LLaMA 3. */
        BYTE_LEVEL,
        /** A space is {@code ▁}, as in SentencePiece and LLaMA 2. */
        SENTENCEPIECE,
        /** As it is. */
        PLAIN
    }

    private static final char SPACE = '\u2581';

    private final Map<Integer, Entry> entries;
    private final Map<String, Integer> ids;
    private final Spelling spelling;
    private final int size;

    private Vocabulary(Map<Integer, Entry> entries, Spelling spelling) {
        this.entries = entries;
        this.spelling = spelling;
        this.ids = new HashMap<>();
        entries.forEach((id, entry) -> ids.merge(entry.content(), id, Math::min));
        this.size = entries.keySet().stream().mapToInt(id -> id + 1).max().orElse(0);
    }

    /**
     * Reads the vocabulary.
     *
     * @throws IllegalArgumentException if there is none, or it isn't understood
     */
    static Vocabulary of(ObjectNode description, String source) {
        JsonNode model = description.path("model");
        JsonNode vocabulary = model.path("vocab");
        Map<Integer, Entry> entries = new HashMap<>();
        if (vocabulary instanceof ObjectNode object) {
            for (Map.Entry<String, JsonNode> piece : object.properties()) {
                Entry before = entries.put(id(piece.getValue(), source), new Entry(piece.getKey(), false));
                if (before != null) {
                    throw new IllegalArgumentException(source + ": the tokens '" + before.content() + "' and '"
                            + piece.getKey() + "' have the same id, " + piece.getValue() + ". Get the file again.");
                }
            }
        } else if (vocabulary.isArray()) {
            // Unigram models list pieces with their scores.
            for (int i = 0; i < vocabulary.size(); i++) {
                entries.put(i, new Entry(vocabulary.path(i).path(0).asText(), false));
            }
        } else {
            throw new IllegalArgumentException(source + " has no 'vocab' in its 'model'. Get the file again.");
        }
        for (JsonNode added : description.path("added_tokens")) {
            if (added.path("content").asText().isEmpty()) {
                continue;
            }
            entries.put(
                    id(added.path("id"), source),
                    new Entry(added.path("content").asText(), true));
        }
        return new Vocabulary(entries, spelling(description));
    }

    private static int id(JsonNode node, String source) {
        if (!node.canConvertToInt()
                || !node.isIntegralNumber()
                || node.intValue() < 0
                || node.intValue() == Integer.MAX_VALUE) {
            throw new IllegalArgumentException(source + ": "
                    + (node.isMissingNode() ? "an added token without an id" : node + " is no id of a token")
                    + ". Get the file again.");
        }
        return node.intValue();
    }

    private static Spelling spelling(ObjectNode description) {
        List<String> types = new ArrayList<>();
        description.path("decoder").findValues("type").forEach(type -> types.add(type.asText()));
        description.path("pre_tokenizer").findValues("type").forEach(type -> types.add(type.asText()));
        if (types.contains("ByteLevel")) {
            return Spelling.BYTE_LEVEL;
        }
        boolean spaceMarks = types.contains("Metaspace")
                || types.contains("ByteFallback")
                || description.path("decoder").findValuesAsText("String").contains(String.valueOf(SPACE));
        return spaceMarks ? Spelling.SENTENCEPIECE : Spelling.PLAIN;
    }

    /** One more than the largest id. */
    int size() {
        return size;
    }

    /** The id of a token, by its content. */
    OptionalInt id(String content) {
        Integer id = ids.get(content);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** What is wrong with a model that has no token for what it doesn't know, as a sentence; empty if nothing is. */
    static String missingUnknown(JsonNode model) {
        if (model.path("vocab").isArray()) {
            return model.path("unk_id").isInt()
                    ? ""
                    : "it has pieces that aren't in the vocabulary, and the model names no 'unk_id' for them";
        }
        JsonNode unknown = model.path("unk_token");
        return !unknown.isTextual() || model.path("vocab").has(unknown.textValue())
                ? ""
                : "it has pieces that aren't in the vocabulary, and neither is the model's 'unk_token' '"
                        + unknown.textValue() + "'";
    }

    /** What one id contributes to a text; bytes that are no characters on their own as {@code \xNN}. */
    String text(long id) {
        Entry entry = entry(id);
        if (entry == null) {
            // Models often have a few more embeddings than there are tokens.
            return "<unused " + id + ">";
        }
        if (entry.added()) {
            return entry.content();
        }
        return switch (spelling) {
            case BYTE_LEVEL -> ByteLevel.text(entry.content());
            case SENTENCEPIECE -> sentencePiece(entry.content());
            case PLAIN -> entry.content();
        };
    }

    private @Nullable Entry entry(long id) {
        return id < 0 || id > Integer.MAX_VALUE ? null : entries.get((int) id);
    }

    private static String sentencePiece(String piece) {
        if (piece.matches("<0x[0-9A-F]{2}>")) {
            return ByteLevel.text(new byte[] {(byte) Integer.parseInt(piece.substring(3, 5), 16)});
        }
        return piece.replace(SPACE, ' ');
    }
}
