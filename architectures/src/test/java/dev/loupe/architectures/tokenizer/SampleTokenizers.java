package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** Small tokenizers with the parts that those of LLaMA 2 and 3, Pythia, Qwen and Gemma are made of. */
final class SampleTokenizers {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private SampleTokenizers() {}

    /**
     * SentencePiece's way: {@code ▁} for a space, one in front of the text, bytes for unknown characters, a
     * template that puts {@code <s>} first. Ids: 0 to 2 special, 3 to 258 bytes, then pieces.
     */
    static ObjectNode llama2() {
        ObjectNode root = root(List.of("<unk>", "<s>", "</s>"), 0);
        ArrayNode normalizers =
                root.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        normalizers.addObject().put("type", "Prepend").put("prepend", "▁");
        replace(normalizers.addObject(), " ", "▁");
        root.putNull("pre_tokenizer");
        root.set("post_processor", template("<s>", 1));
        ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
        replace(decoders.addObject(), "▁", " ");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        decoders.addObject()
                .put("type", "Strip")
                .put("content", " ")
                .put("start", 1)
                .put("stop", 0);
        List<String> pieces = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int value = 0; value < 256; value++) {
            pieces.add(String.format("<0x%02X>", value));
        }
        pieces.addAll(List.of("▁", "M", "a", "r", "y", "J", "o", "h", "n"));
        model(root, pieces, List.of("a r", "ar y", "▁ M", "▁M ary", "o h", "oh n", "▁ J", "▁J ohn"))
                .put("unk_token", "<unk>")
                .put("fuse_unk", true)
                .put("byte_fallback", true);
        return root;
    }

    /**
     * Bytes as characters, no space in front, special tokens after the pieces, a template that puts {@code
     * <|begin_of_text|>} first. Ids: 0 to 255 single bytes, then pieces, then special tokens.
     */
    static ObjectNode llama3() {
        List<String> pieces = new ArrayList<>();
        for (int value = 0; value < 256; value++) {
            pieces.add(byteLevel(value));
        }
        List<String> merges = List.of("a r", "ar y", "Ġ M", "ĠM ary", "o h", "oh n", "J ohn", "Ġ John", "Ã ©");
        ObjectNode root = MAPPER.createObjectNode();
        model(root, pieces, merges).put("ignore_merges", true);
        int first = root.path("model").path("vocab").size();
        addTokens(root.putArray("added_tokens"), List.of("<|begin_of_text|>", "<|end_of_text|>"), first);
        root.put("version", "1.0");
        ArrayNode steps =
                root.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
        steps.addObject()
                .put("type", "Split")
                .put("behavior", "Isolated")
                .put("invert", false)
                .putObject("pattern")
                .put("Regex", " ?[^\\s\\p{L}\\p{N}]+|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\\s+");
        byteLevelStep(steps.addObject(), false);
        ArrayNode processors =
                root.putObject("post_processor").put("type", "Sequence").putArray("processors");
        byteLevelStep(processors.addObject(), true);
        processors.add(template("<|begin_of_text|>", first));
        byteLevelStep(root.putObject("decoder"), true);
        return root;
    }

    /**
     * Pythia's way: GPT-2's pieces with composed characters, {@code <|endoftext|>} and {@code <|padding|>} as 0 and 1,
     * runs of spaces added behind the vocabulary. Ids: 2 to 257 single bytes, then pieces, then two and three spaces.
     */
    static ObjectNode pythia() {
        List<String> pieces = new ArrayList<>(List.of("<|endoftext|>", "<|padding|>"));
        for (int value = 0; value < 256; value++) {
            pieces.add(byteLevel(value));
        }
        ObjectNode root = root(List.of("<|endoftext|>", "<|padding|>"), 0);
        root.putObject("normalizer").put("type", "NFC");
        byteLevelStep(root.putObject("pre_tokenizer"), true).put("use_regex", true);
        byteLevelStep(root.putObject("post_processor"), true);
        byteLevelStep(root.putObject("decoder"), true);
        model(root, pieces, List.of("a r", "ar y", "Ġ M", "ĠM ary", "Ã ©"));
        int size = root.path("model").path("vocab").size();
        added(root, "   ", size, false).put("normalized", true);
        added(root, "  ", size + 1, false).put("normalized", true);
        return root;
    }

    /** Qwen's way: composed characters, digits one by one, chat tokens behind the vocabulary, no BOS. */
    static ObjectNode qwen() {
        List<String> pieces = new ArrayList<>();
        for (int value = 0; value < 256; value++) {
            pieces.add(byteLevel(value));
        }
        ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
        root.putArray("added_tokens");
        root.putObject("normalizer").put("type", "NFC");
        ArrayNode steps =
                root.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
        steps.addObject()
                .put("type", "Split")
                .put("behavior", "Isolated")
                .put("invert", false)
                .putObject("pattern")
                .put(
                        "Regex",
                        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                                + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
        byteLevelStep(steps.addObject(), false);
        byteLevelStep(root.putObject("post_processor"), false);
        byteLevelStep(root.putObject("decoder"), false);
        model(root, pieces, List.of("u s", "us e", "use r", "a r", "ar y", "Ġ M", "ĠM ary", "Ã ©"))
                .put("byte_fallback", false);
        int size = root.path("model").path("vocab").size();
        added(root, "<|endoftext|>", size, true);
        added(root, "<|im_start|>", size + 1, true);
        added(root, "<|im_end|>", size + 2, true);
        added(root, "<think>", size + 3, false);
        return root;
    }

    /**
     * Gemma's way: SentencePiece's pieces without a space in front, which a normalizer writes as {@code ▁}; bytes for
     * unknown characters, chat tokens within the vocabulary, a template that puts {@code <bos>} first. Ids: {@code
     * <pad>}, {@code <eos>}, {@code <bos>}, {@code <unk>}, two chat tokens, line breaks, 256 bytes, pieces.
     */
    static ObjectNode gemma() {
        List<String> special = List.of("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>");
        ObjectNode root = root(special, 0);
        replace(root.putObject("normalizer"), " ", "▁");
        root.putObject("pre_tokenizer")
                .put("type", "Split")
                .put("behavior", "MergedWithPrevious")
                .put("invert", false)
                .putObject("pattern")
                .put("String", " ");
        root.set("post_processor", template("<bos>", 2));
        ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
        replace(decoders.addObject(), "▁", " ");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        List<String> pieces = new ArrayList<>(special);
        pieces.add("\n");
        pieces.add("\n\n");
        for (int value = 0; value < 256; value++) {
            pieces.add(String.format("<0x%02X>", value));
        }
        pieces.addAll(List.of("▁", "M", "a", "r", "y", "J", "o", "h", "n", "u", "s", "e"));
        model(
                        root,
                        pieces,
                        List.of(
                                "a r", "ar y", "▁ M", "▁M ary", "M ary", "o h", "oh n", "▁ J", "▁J ohn", "u s", "us e",
                                "use r"))
                .put("unk_token", "<unk>")
                .put("fuse_unk", true)
                .put("byte_fallback", true);
        added(root, "\n\n", 7, false);
        return root;
    }

    private static ObjectNode added(ObjectNode root, String content, int id, boolean special) {
        ArrayNode list = (ArrayNode) root.path("added_tokens");
        addTokens(list, List.of(content), id);
        return ((ObjectNode) list.path(list.size() - 1)).put("special", special);
    }

    private static String byteLevel(int value) {
        boolean printable =
                (value >= '!' && value <= '~') || (value >= 0xa1 && value <= 0xac) || (value >= 0xae && value <= 0xff);
        if (printable) {
            return String.valueOf((char) value);
        }
        // The unprintable ones in order: 0 to 32, 127 to 160, 173.
        int rank = value <= 32 ? value : value <= 160 ? value - 127 + 33 : 67;
        return String.valueOf((char) (256 + rank));
    }

    private static ObjectNode root(List<String> special, int firstId) {
        ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
        root.putNull("truncation");
        root.putNull("padding");
        addTokens(root.putArray("added_tokens"), special, firstId);
        return root;
    }

    private static void addTokens(ArrayNode added, List<String> special, int firstId) {
        for (int i = 0; i < special.size(); i++) {
            added.addObject()
                    .put("id", firstId + i)
                    .put("content", special.get(i))
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
    }

    private static void replace(ObjectNode step, String from, String to) {
        step.put("type", "Replace").put("content", to).putObject("pattern").put("String", from);
    }

    private static ObjectNode byteLevelStep(ObjectNode step, boolean trim) {
        return step.put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", trim)
                .put("use_regex", false);
    }

    private static ObjectNode template(String bos, int id) {
        ObjectNode template = MAPPER.createObjectNode().put("type", "TemplateProcessing");
        ArrayNode single = template.putArray("single");
        single.addObject().putObject("SpecialToken").put("id", bos).put("type_id", 0);
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        ArrayNode pair = template.putArray("pair");
        pair.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
        ObjectNode special = template.putObject("special_tokens").putObject(bos);
        special.put("id", bos).putArray("ids").add(id);
        special.putArray("tokens").add(bos);
        return template;
    }

    private static ObjectNode model(ObjectNode root, List<String> pieces, List<String> merges) {
        ObjectNode model = root.putObject("model").put("type", "BPE");
        ObjectNode vocabulary = model.putObject("vocab");
        pieces.forEach(piece -> vocabulary.put(piece, vocabulary.size()));
        merges.forEach(merge -> vocabulary.put(merge.replace(" ", ""), vocabulary.size()));
        ArrayNode list = model.putArray("merges");
        merges.forEach(list::add);
        return model;
    }
}
