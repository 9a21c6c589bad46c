package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The older form of GPT-2's tokenizer, a vocabulary and a list of merges, described in the newer form: {@code
 * tokenizer.json}, in which everything that is fixed for this kind of tokenizer is written out.
 */
final class ByteLevelFiles {

    private static final String END_OF_TEXT = "<|endoftext|>";

    private ByteLevelFiles() {}

    static ObjectNode describe(ModelFiles files, String vocabularyFile, String mergesFile) {
        ObjectNode vocabulary = JsonFiles.tree(files, vocabularyFile);
        ObjectNode description = JsonFiles.object();
        description.put("version", "1.0");
        ArrayNode added = description.putArray("added_tokens");
        if (vocabulary.has(END_OF_TEXT)) {
            ObjectNode token = added.addObject();
            token.put("id", vocabulary.get(END_OF_TEXT).asInt()).put("content", END_OF_TEXT);
            List.of("single_word", "lstrip", "rstrip", "normalized").forEach(key -> token.put(key, false));
            token.put("special", true);
        }
        byteLevel(description.putObject("pre_tokenizer"), false);
        byteLevel(description.putObject("post_processor"), true);
        byteLevel(description.putObject("decoder"), true);
        ObjectNode model = description.putObject("model");
        model.put("type", "BPE");
        model.set("vocab", vocabulary);
        ArrayNode merges = model.putArray("merges");
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
        return description;
    }

    private static void byteLevel(ObjectNode step, boolean prefixSpace) {
        step.put("type", "ByteLevel");
        step.put("add_prefix_space", prefixSpace);
        step.put("trim_offsets", !prefixSpace);
        step.put("use_regex", true);
    }
}
