package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A program that changes the sample tokenizers at random, opens each and uses it. It ends with 0 if each is opened or
 * refused with the file's name; that it ends by itself at all is the point.
 */
final class TokenizerMutations {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final List<String> TEXTS = List.of(
            "",
            " ",
            "Mary",
            "  Mary John ",
            "é漢\uD83D\uDE00",
            "\u0000a",
            "\uD83D",
            "<s>user<|im_end|>\n\n12",
            "a".repeat(300));
    /** Parts that other parts can be exchanged for. */
    private static final List<String> PARTS = List.of(
            "null",
            "true",
            "0",
            "1",
            "-1",
            "2",
            "2147483647",
            "4294967295",
            "4294967296",
            "1.5",
            "''",
            "'a'",
            "' '",
            "'▁'",
            "'é'",
            "'<s>'",
            "'##'",
            "[]",
            "{}",
            "['a', 1]",
            "{'String': ''}",
            "{'Regex': ''}",
            "{'Regex': '(a*)*b'}",
            "{'Regex': '(a+)+\\\\1c'}",
            "{'Regex': '\\\\s+'}",
            "{'type': 'NFKD'}",
            "{'type': 'Lowercase'}",
            "{'type': 'Strip', 'strip_left': true, 'strip_right': true}",
            "{'type': 'Strip', 'content': 'a', 'start': 1, 'stop': 1}",
            "{'type': 'Replace', 'pattern': {'Regex': '\\\\b'}, 'content': 'x'}",
            "{'type': 'Replace', 'pattern': {'Regex': 'a*'}, 'content': ''}",
            "{'type': 'Replace', 'pattern': {'String': 'a'}, 'content': ''}",
            "{'type': 'Prepend', 'prepend': ''}",
            "{'type': 'Precompiled', 'precompiled_charsmap': 'AAAAAA=='}",
            "{'type': 'FixedLength', 'length': 0}",
            "{'type': 'UnicodeScripts'}",
            "{'type': 'Fuse'}",
            "{'type': 'Metaspace', 'replacement': '▁', 'prepend_scheme': 'first', 'split': true}",
            "{'type': 'WordPiece', 'prefix': '', 'cleanup': true}",
            "{'type': 'CTC', 'pad_token': '', 'word_delimiter_token': '', 'cleanup': true}",
            "{'type': 'BertProcessing', 'sep': ['x', 9], 'cls': ['y', 9]}",
            "{'type': 'WordLevel', 'vocab': {'a': 0}, 'unk_token': 'zz'}",
            "{'type': 'Unigram', 'vocab': [['a', -1.0], ['', 0.0]], 'unk_id': 1, 'byte_fallback': true}");

    private final Random random;

    private TokenizerMutations(long seed) {
        this.random = new Random(seed);
    }

    public static void main(String[] args) throws IOException {
        TokenizerMutations mutations = new TokenizerMutations(Long.parseLong(args[0]));
        List<ObjectNode> samples = List.of(
                SampleTokenizers.llama2(),
                SampleTokenizers.llama3(),
                SampleTokenizers.qwen(),
                SampleTokenizers.gemma(),
                SampleTokenizers.pythia());
        int opened = 0;
        int count = Integer.parseInt(args[1]);
        for (int i = 0; i < count; i++) {
            ObjectNode changed = samples.get(i % samples.size()).deepCopy();
            int changes = 1 + mutations.random.nextInt(3);
            for (int j = 0; j < changes; j++) {
                mutations.change(changed);
            }
            // The last of these lines tells which one ended the process.
            System.out.println(i + " " + shown(changed));
            opened += works(changed) ? 1 : 0;
        }
        System.out.println("opened " + opened + " of " + count);
    }

    private static String shown(ObjectNode description) {
        ObjectNode shown = description.deepCopy();
        if (shown.path("model") instanceof ObjectNode model) {
            model.remove(List.of("vocab", "merges"));
        }
        return shown.toString();
    }

    private static boolean works(ObjectNode description) {
        try {
            Tokenizer tokenizer = OneFile.open(description.toString().getBytes(StandardCharsets.UTF_8));
            for (String text : TEXTS) {
                use(tokenizer, text);
            }
            tokenizer.decode(new long[0], false);
            tokenizer.decode(new long[] {-1, 99_999, 1L << 40}, true);
            return true;
        } catch (IllegalArgumentException e) {
            if (!e.getMessage().contains("broken/tokenizer.json")) {
                throw new IllegalStateException("The file isn't named", e);
            }
            return false;
        }
    }

    private static void use(Tokenizer tokenizer, String text) {
        long[] ids;
        try {
            ids = tokenizer.encode(text);
        } catch (IllegalArgumentException e) {
            if (!e.getMessage().contains("broken/tokenizer.json")) {
                throw new IllegalStateException("The file isn't named", e);
            }
            return;
        }
        tokenizer.decode(ids, true);
        for (long id : ids.length > 20 ? new long[] {ids[0]} : ids) {
            tokenizer.decode(new long[] {id}, false);
            tokenizer.tokenText(id);
        }
    }

    private void change(ObjectNode root) throws IOException {
        List<JsonNode> holders = new ArrayList<>();
        collect(root, holders);
        JsonNode holder = holders.get(random.nextInt(holders.size()));
        JsonNode part = MAPPER.readTree(PARTS.get(random.nextInt(PARTS.size())).replace('\'', '"'));
        if (holder instanceof ObjectNode object) {
            List<String> keys = new ArrayList<>();
            object.fieldNames().forEachRemaining(keys::add);
            String key = keys.get(random.nextInt(keys.size()));
            switch (random.nextInt(4)) {
                case 0 -> object.remove(key);
                case 1 -> object.set(key, object.path(keys.get(random.nextInt(keys.size()))));
                default -> object.set(key, part);
            }
        } else if (holder instanceof ArrayNode list) {
            int at = random.nextInt(list.size());
            switch (random.nextInt(4)) {
                case 0 -> list.remove(at);
                case 1 -> list.insert(at, list.path(at));
                case 2 -> list.insert(at, part);
                default -> list.set(at, part);
            }
        }
    }

    private void collect(JsonNode node, List<JsonNode> holders) {
        if (node.isContainerNode() && !node.isEmpty()) {
            holders.add(node);
            // Of a vocabulary a few entries are enough.
            int step = Math.max(1, node.size() / 12);
            int i = 0;
            for (JsonNode child : node) {
                if (i++ % step == 0) {
                    collect(child, holders);
                }
            }
        }
    }
}
