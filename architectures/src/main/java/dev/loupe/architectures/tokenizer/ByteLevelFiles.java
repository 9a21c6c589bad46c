package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;

/**
 * The older form of GPT-2's tokenizer, a vocabulary and a list of merges with settings beside them, described in the
 * newer form: {@code tokenizer.json}, in which everything that is fixed for this kind of tokenizer is written out.
 */
final class ByteLevelFiles {

    /** Classes of transformers that read these files as GPT-2's does. */
    private static final Set<String> LIKE_GPT2 = Set.of(
            "",
            "GPT2Tokenizer",
            "GPTNeoXTokenizer",
            "CodeGenTokenizer",
            "RobertaTokenizer",
            "BartTokenizer",
            "LongformerTokenizer",
            "PreTrainedTokenizer",
            "TokenizersBackend");

    private static final String QWEN = "Qwen2Tokenizer";
    /** How Qwen cuts texts in pieces before pairs are merged: contractions, words, single digits, signs, spaces. */
    private static final String QWEN_PIECES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private ByteLevelFiles() {}

    static ObjectNode describe(ModelFiles files, String vocabularyFile, String mergesFile) {
        ObjectNode vocabulary = JsonFiles.tree(files, vocabularyFile);
        ObjectNode settings = JsonFiles.optional(files, NamedTokens.SETTINGS);
        ObjectNode description = JsonFiles.object();
        description.put("version", "1.0");
        description.set("added_tokens", NamedTokens.read(files, settings, vocabulary));
        String kind = settings.path("tokenizer_class").asText("").replaceFirst("Fast$", "");
        if (kind.equals(QWEN)) {
            description.putObject("normalizer").put("type", "NFC");
            ArrayNode steps = description
                    .putObject("pre_tokenizer")
                    .put("type", "Sequence")
                    .putArray("pretokenizers");
            steps.addObject()
                    .put("type", "Split")
                    .put("behavior", "Isolated")
                    .put("invert", false)
                    .putObject("pattern")
                    .put("Regex", QWEN_PIECES);
            byteLevel(steps.addObject(), false, false);
        } else if (LIKE_GPT2.contains(kind) || settings.path("tokenizer_class").isNull()) {
            boolean space = settings.path("add_prefix_space").asBoolean(false);
            byteLevel(description.putObject("pre_tokenizer"), space, true);
        } else {
            throw new IllegalArgumentException(files.source() + "/" + NamedTokens.SETTINGS + ": 'tokenizer_class' is '"
                    + kind + "', and how that one reads " + vocabularyFile + " and " + mergesFile
                    + " isn't known. Save it once with transformers' save_pretrained, which writes tokenizer.json.");
        }
        byteLevel(description.putObject("decoder"), true, true);
        ObjectNode model = description.putObject("model");
        model.put("type", "BPE");
        model.set("vocab", vocabulary);
        merges(files, mergesFile, model.putArray("merges"));
        return description;
    }

    private static void merges(ModelFiles files, String mergesFile, ArrayNode merges) {
        String text = new String(files.read(mergesFile), StandardCharsets.UTF_8);
        List<String> lines = text.lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.isEmpty() || (i == 0 && line.startsWith("#version"))) {
                continue;
            }
            int space = line.indexOf(' ');
            if (space <= 0 || space != line.lastIndexOf(' ') || space == line.length() - 1) {
                throw new IllegalArgumentException(files.source() + "/" + mergesFile + ": line " + (i + 1)
                        + " should be two pieces of tokens with a space between, found '" + line + "'");
            }
            merges.addArray().add(line.substring(0, space)).add(line.substring(space + 1));
        }
    }

    private static void byteLevel(ObjectNode step, boolean prefixSpace, boolean cut) {
        step.put("type", "ByteLevel");
        step.put("add_prefix_space", prefixSpace);
        step.put("trim_offsets", true);
        step.put("use_regex", cut);
    }
}
