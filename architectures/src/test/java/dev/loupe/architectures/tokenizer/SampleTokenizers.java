package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** Small tokenizers with the parts that those of LLaMA 2 and LLaMA 3 are made of. */
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

    private static void byteLevelStep(ObjectNode step, boolean trim) {
        step.put("type", "ByteLevel")
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
