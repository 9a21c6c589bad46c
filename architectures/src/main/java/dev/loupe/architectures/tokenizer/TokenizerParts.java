package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.array.Nearest;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The parts of a {@code tokenizer.json}, checked for what makes the tokenizers library (0.21) end the whole process
 * instead of refusing the file: parts that contradict each other, and settings that only some texts run into. What
 * else may be wrong, the library says itself.
 */
final class TokenizerParts {

    /** What a part of a certain type is checked for. */
    @FunctionalInterface
    private interface Check {
        void check(TokenizerParts parts, String path, JsonNode part);

        Check NONE = (parts, path, part) -> {};
    }

    private static final Map<String, Check> NORMALIZERS = named(
            Map.of(
                    "Sequence",
                    (parts, path, part) -> parts.each(path, part, "normalizers", TokenizerParts.NORMALIZERS),
                    "Replace",
                    TokenizerParts::replaceCharacters,
                    "Precompiled",
                    TokenizerParts::precompiled,
                    "Prepend",
                    TokenizerParts::prepend),
            "BertNormalizer",
            "Strip",
            "StripAccents",
            "NFC",
            "NFD",
            "NFKC",
            "NFKD",
            "Lowercase",
            "Nmt",
            "ByteLevel");
    private static final Map<String, Check> PRE_TOKENIZERS = named(
            Map.of(
                    "Sequence",
                    (parts, path, part) -> parts.each(path, part, "pretokenizers", TokenizerParts.PRE_TOKENIZERS),
                    "Split",
                    TokenizerParts::pattern,
                    "FixedLength",
                    TokenizerParts::fixedLength),
            "BertPreTokenizer",
            "ByteLevel",
            "CharDelimiterSplit",
            "Metaspace",
            "Whitespace",
            "WhitespaceSplit",
            "Punctuation",
            "Digits",
            "UnicodeScripts");
    private static final Map<String, Check> POST_PROCESSORS = named(
            Map.of(
                    "Sequence",
                    (parts, path, part) -> parts.each(path, part, "processors", TokenizerParts.POST_PROCESSORS),
                    "TemplateProcessing",
                    TokenizerParts::template),
            "BertProcessing",
            "RobertaProcessing",
            "ByteLevel");
    private static final Map<String, Check> DECODERS = named(
            Map.of(
                    "Sequence", (parts, path, part) -> parts.each(path, part, "decoders", TokenizerParts.DECODERS),
                    "Replace", TokenizerParts::replace,
                    "Strip", TokenizerParts::strip),
            "BPEDecoder",
            "ByteLevel",
            "WordPiece",
            "Metaspace",
            "CTC",
            "Fuse",
            "ByteFallback");
    private static final Map<String, Check> MODELS =
            named(Map.of("BPE", TokenizerParts::bytePairs), "WordPiece", "WordLevel", "Unigram");

    /** How much longer replacements that act on each other's may make a text. */
    private static final double LONGEST_GROWTH = 1 << 16;

    private final String file;
    private final List<String> replaced = new ArrayList<>();
    private double growth = 1;

    private TokenizerParts(String file) {
        this.file = file;
    }

    private static Map<String, Check> named(Map<String, Check> checks, String... unchecked) {
        Map<String, Check> all = new TreeMap<>(checks);
        for (String name : unchecked) {
            all.put(name, Check.NONE);
        }
        return all;
    }

    /**
     * Checks a description.
     *
     * @param file named in messages
     * @throws IllegalArgumentException names the file, the part and what is wrong with it
     */
    static void check(ObjectNode description, String file) {
        part(description, file, "normalizer", NORMALIZERS);
        part(description, file, "pre_tokenizer", PRE_TOKENIZERS);
        part(description, file, "post_processor", POST_PROCESSORS);
        part(description, file, "decoder", DECODERS);
        // Old files don't say what kind of model they have; the library tells by what there is.
        if (description.path("model").has("type")) {
            part(description, file, "model", MODELS);
        } else {
            new TokenizerParts(file).bytePairs("model", description.path("model"));
        }
    }

    private static void part(ObjectNode description, String file, String section, Map<String, Check> known) {
        JsonNode part = description.path(section);
        if (!part.isNull() && !part.isMissingNode()) {
            new TokenizerParts(file).checked(section, part, known);
        }
    }

    private IllegalArgumentException bad(String path, String what) {
        return new IllegalArgumentException(file + ": " + path + " " + what + ". Get the file again.");
    }

    private void checked(String path, JsonNode part, Map<String, Check> known) {
        String type = part.path("type").asText();
        Check check = known.get(type);
        if (check == null) {
            throw bad(
                    path,
                    "is of the type '" + shortened(type) + "', which isn't known there; near it are "
                            + Nearest.to(shortened(type), List.copyOf(known.keySet()), 3));
        }
        check.check(this, path, part);
    }

    private static String shortened(String text) {
        return text.length() > 80 ? text.substring(0, 80) + "…" : text;
    }

    private void each(String path, JsonNode sequence, String key, Map<String, Check> known) {
        JsonNode list = sequence.path(key);
        if (!list.isArray()) {
            throw bad(path, "should have a list of '" + key + "'");
        }
        for (int i = 0; i < list.size(); i++) {
            checked(path + "." + key + "[" + i + "]", list.path(i), known);
        }
    }

    /** Checks a pattern; whether it can match a place between characters. */
    private boolean pattern(String path, JsonNode part) {
        JsonNode pattern = part.path("pattern");
        JsonNode regex = pattern.path("Regex");
        if (regex.isTextual()) {
            try {
                return RegularExpression.check(regex.textValue());
            } catch (IllegalArgumentException e) {
                throw bad(path, String.valueOf(e.getMessage()));
            }
        }
        return pattern.path("String").isTextual()
                && pattern.path("String").textValue().isEmpty();
    }

    // What a normalizer puts between characters belongs to none of them, which those behind it don't survive.

    private void replaceCharacters(String path, JsonNode part) {
        replace(path, part);
        if (pattern(path, part)) {
            throw bad(
                    path,
                    "replaces what may be no character at all, by its pattern "
                            + shortened(part.path("pattern").toString()));
        }
    }

    private void prepend(String path, JsonNode part) {
        if (part.path("prepend").asText("-").isEmpty()) {
            throw bad(path, "puts nothing in front: its 'prepend' is empty");
        }
    }

    private void replace(String path, JsonNode part) {
        pattern(path, part);
        String content = part.path("content").asText();
        JsonNode literal = part.path("pattern").path("String");
        double times = bytes(content) / (double) Math.max(1, literal.isTextual() ? bytes(literal.textValue()) : 1);
        // What one puts in, the next may replace again.
        boolean again = !literal.isTextual()
                || literal.textValue().isEmpty()
                || replaced.stream().anyMatch(earlier -> earlier.contains(literal.textValue()));
        replaced.add(content);
        growth = Math.max(again ? growth * Math.max(times, 1) : growth, times);
        if (growth > LONGEST_GROWTH) {
            throw bad(path, "makes, with those before it, texts more than " + (int) LONGEST_GROWTH + " times as long");
        }
    }

    private static int bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    private void precompiled(String path, JsonNode part) {
        JsonNode map = part.path("precompiled_charsmap");
        if (!map.isTextual()) {
            throw bad(
                    path,
                    "should have a text as its 'precompiled_charsmap', found "
                            + (map.isMissingNode() ? "none" : shortened(map.toString())));
        }
        try {
            Charsmap.check(map.textValue());
        } catch (IllegalArgumentException e) {
            throw bad(path, "has a 'precompiled_charsmap' that " + e.getMessage());
        }
    }

    private void fixedLength(String path, JsonNode part) {
        JsonNode length = part.path("length");
        if (length.isNumber() && length.doubleValue() < 1) {
            throw bad(path, "cuts texts in pieces of the length " + length + ", which should be 1 at least");
        }
    }

    private void strip(String path, JsonNode part) {
        JsonNode stop = part.path("stop");
        if (stop.isNumber() && stop.doubleValue() > 0) {
            throw bad(
                    path,
                    "is to take up to " + stop + " characters from the end of each text ('stop'), which the"
                            + " tokenizers library can't do for shorter texts; only 0 works");
        }
    }

    private void template(String path, JsonNode part) {
        for (String kind : List.of("single", "pair")) {
            int first = 0;
            for (JsonNode piece : part.path(kind)) {
                JsonNode special = piece.path("SpecialToken").path("id");
                String where = path + "." + kind;
                if (special.isTextual() && !part.path("special_tokens").has(special.textValue())) {
                    throw bad(
                            where,
                            "has the special token '" + shortened(special.textValue())
                                    + "', which isn't among its 'special_tokens'");
                }
                String sequence = piece.path("Sequence").path("id").asText();
                if (kind.equals("single") && sequence.equals("B")) {
                    throw bad(where, "has the sequence B, but is for one sequence, A");
                }
                first += sequence.equals("A") ? 1 : 0;
            }
            if (kind.equals("single") && first != 1) {
                throw bad(path + "." + kind, "should have the sequence A once, found it " + first + " times");
            }
        }
    }

    private void bytePairs(String path, JsonNode model) {
        String prefix = model.path("continuing_subword_prefix").asText("");
        if (prefix.isEmpty() || model.path("continuing_subword_prefix").isNull()) {
            return;
        }
        JsonNode merges = model.path("merges");
        for (int i = 0; i < merges.size(); i++) {
            JsonNode merge = merges.path(i);
            String text = merge.asText();
            String second = merge.isArray() ? merge.path(1).asText() : text.substring(text.indexOf(' ') + 1);
            if (!second.startsWith(prefix)) {
                throw bad(
                        path + ".merges[" + i + "]",
                        "goes on with '" + shortened(second)
                                + "', which doesn't begin with the 'continuing_subword_prefix' '" + shortened(prefix)
                                + "'");
            }
        }
    }
}
