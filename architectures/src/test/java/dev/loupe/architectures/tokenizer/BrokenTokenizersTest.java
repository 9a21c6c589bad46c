package dev.loupe.architectures.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A {@code tokenizer.json} whose parts contradict each other is refused before the native library sees it, which would
 * end the whole process.
 */
class BrokenTokenizersTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String PLAIN = "{'version': '1.0', 'added_tokens': [], 'normalizer': null,"
            + " 'pre_tokenizer': null, 'post_processor': null, 'decoder': null, 'model': {'type': 'BPE',"
            + " 'vocab': {'<unk>': 0, '<s>': 1, 'a': 2, 'b': 3, 'ab': 4, '': 5}, 'merges': [['a', 'b']]}}";

    private static String json(String quotedSingly) {
        return quotedSingly.replace('\'', '"');
    }

    private static ObjectNode plain() throws IOException {
        return (ObjectNode) MAPPER.readTree(json(PLAIN));
    }

    private static Tokenizer open(ObjectNode description) {
        return OneFile.open(description.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static ObjectNode with(String section, String part) throws IOException {
        ObjectNode description = plain();
        if (section.equals("model")) {
            ((ObjectNode) description.path("model")).setAll((ObjectNode) MAPPER.readTree(json(part)));
        } else {
            description.set(section, MAPPER.readTree(json(part)));
        }
        return description;
    }

    @Test
    void thePlainOneWorks() throws IOException {
        assertThat(open(plain()).encode("ab")).containsExactly(4);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                // What is in a part | where the message says it is | what it says.
                "model | {'continuing_subword_prefix': '##'} | model.merges[0] | 'continuing_subword_prefix' '##'",
                "model | {'vocab': {'a': 0, 'b': 0, 'ab': 1}} | tokenizer.json | the same id, 0",
                "model | {'vocab': {'a': 0, 'b': 1.5, 'ab': 1}} | tokenizer.json | no id of a token",
                "model | {'vocab': {'a': 0, 'b': 4294967296, 'ab': 1}} | tokenizer.json | no id of a token",
                "model | {'merges': [['a', 'zz']]} | tokenizer.json | out of vocabulary",
                "model | {'type': 'Unigramm'} | model | Unigram",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': null} | normalizer | found null",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': ''} | normalizer | 0 bytes long",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': '?'} | normalizer | isn't base64",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': 'CAAAAAEAAAABAAAAYQBi'} | normalizer | leads to unit 255 of a trie that has 2",
                "normalizer | {'type': 'Prepend', 'prepend': ''} | normalizer | is empty",
                "normalizer | {'type': 'Replace', 'pattern': {'String': ''}, 'content': 'x'} | normalizer | no character at all",
                "normalizer | {'type': 'Replace', 'pattern': {'Regex': '\\\\b'}, 'content': 'x'} | normalizer | no character at all",
                "normalizer | {'type': 'Sequence', 'normalizers': [{'type': 'NFC'}, {'type': 'Foo'}]} | normalizer.normalizers[1] | near it are [NFC",
                "normalizer | {'type': 'Sequence'} | normalizer | a list of 'normalizers'",
                "pre_tokenizer | {'type': 'FixedLength', 'length': 0} | pre_tokenizer | 1 at least",
                "pre_tokenizer | {'type': 'Split', 'pattern': {'Regex': '(a*)*c'}, 'behavior': 'Isolated', 'invert': false} | pre_tokenizer | '(a*)*c'",
                "post_processor | {'type': 'TemplateProcessing', 'single': [{'SpecialToken': {'id': 'no', 'type_id': 0}}, {'Sequence': {'id': 'A', 'type_id': 0}}], 'pair': [], 'special_tokens': {}} | post_processor.single | 'no'",
                "post_processor | {'type': 'TemplateProcessing', 'single': [{'Sequence': {'id': 'B', 'type_id': 0}}], 'pair': [], 'special_tokens': {}} | post_processor.single | sequence B",
                "post_processor | {'type': 'TemplateProcessing', 'single': [], 'pair': [], 'special_tokens': {}} | post_processor.single | found it 0 times",
                "decoder | {'type': 'Strip', 'content': 'a', 'start': 0, 'stop': 2} | decoder | up to 2 characters",
                "decoder | {'type': 'CTC'} | tokenizer.json | missing field",
                "added_tokens | [{'id': 50, 'content': 'x'}] | added_tokens[0] | which gives it 6",
                "added_tokens | [{'id': 3, 'content': 'a'}] | added_tokens[0] | stands elsewhere with the id 2",
                "added_tokens | [{'content': 'x'}] | tokenizer.json | without an id",
            })
    void aPartThatContradictsOthersIsNamed(String section, String part, String where, String what) throws IOException {
        ObjectNode description = with(section, part);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> open(description))
                .withMessageContaining("broken/tokenizer.json")
                .withMessageContaining(where)
                .withMessageContaining(what)
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(500));
    }

    @Test
    void anAddedTokenOfWhichTheNormalizerLeavesNothingIsRefused() throws IOException {
        ObjectNode description = with("normalizer", "{'type': 'Strip', 'strip_left': true, 'strip_right': true}");
        description.set(
                "added_tokens",
                MAPPER.readTree(json("[{'id': 6, 'content': '  ', 'single_word': false, 'lstrip': false,"
                        + " 'rstrip': false, 'normalized': true, 'special': false}]")));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> open(description))
                .withMessageContaining("added_tokens[0]")
                .withMessageContaining("leaves nothing of it");
    }

    @Test
    void replacementsOfReplacementsMayNotGrowWithoutEnd() throws IOException {
        String grows = "{'type': 'Replace', 'pattern': {'String': 'a'}, 'content': 'aaaaaaaaaaaaaaaa'}";
        ObjectNode description = with(
                "normalizer",
                "{'type': 'Sequence', 'normalizers': [" + String.join(", ", java.util.Collections.nCopies(9, grows))
                        + "]}");
        assertThatIllegalArgumentException().isThrownBy(() -> open(description)).withMessageContaining("times as long");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'unk_token': 'zz'}",
                "{'type': 'WordLevel', 'unk_token': '[UNK]'}",
                "{'type': 'Unigram', 'vocab': [['a', -1.0]]}"
            })
    void aTextWithoutATokenIsRefusedWithTheFileAndTheReason(String model) throws IOException {
        Tokenizer tokenizer = open(with("model", model));
        assertThat(tokenizer.encode("a")).hasSize(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.encode("xyz"))
                .withMessageContaining("broken/tokenizer.json can't tokenize \"xyz\"")
                .withMessageContaining("unk_")
                .withMessageNotContaining("Missing [UNK]");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(a|a)*b",
                "(a+)+\\1",
                "(?:a?){40}a{40}$",
                "a*a*b",
                "(?<n>a\\g<n>?b?)+c",
                "\\c[(a*)*b]",
                "[[](a*)*b]c",
                "(?#)(a*)*b",
                "a{0000001,}{0000001,}b",
                "(",
                "[a",
                "a)",
                "\\"
            })
    void expressionsThatMayRunAwayAreRefused(String expression) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> RegularExpression.check(expression))
                .withMessageContaining("regular expression");
    }

    /** Those that tokenizers in use have: GPT-2's, LLaMA 3's, GPT-4o's, DeepSeek's, and small ones. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))",
                "(?:\\p{L}\\p{M}*)+",
                "[\\p{Han}&&[^[:space:]]]+",
                " {2,}",
                " ?[^(\\s|[.,!?…。，、।۔،])]+",
                "(?>a+)b|a++b|(?<=x)y"
            })
    void expressionsThatTokenizersUseAreAccepted(String expression) {
        assertThat(RegularExpression.check(expression)).isFalse();
    }

    @Test
    void aWellMadeTableOfReplacementsWorks() throws IOException {
        // One entry, ä → ae: a trie whose root leads by the bytes C3 and A4 to a leaf. Blocks of 256 units each.
        int[] units = new int[4 * 256];
        units[0] = 256 << 10;
        units[256 ^ 0xc3] = 0xc3 | ((256 ^ 0xc3) ^ 512) << 10;
        units[512 ^ 0xa4] = 0xa4 | 1 << 8 | ((512 ^ 0xa4) ^ 768) << 10;
        units[768] = 1 << 31 | 0;
        java.nio.ByteBuffer table =
                java.nio.ByteBuffer.allocate(4 + 4 * units.length + 3).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        table.putInt(4 * units.length);
        Arrays.stream(units).forEach(table::putInt);
        table.put("ab\0".getBytes(StandardCharsets.UTF_8));
        String base64 = java.util.Base64.getEncoder().encodeToString(table.array());
        ObjectNode description = plain();
        description.putObject("normalizer").put("type", "Precompiled").put("precompiled_charsmap", base64);
        assertThat(open(description).encode("ä")).containsExactly(4);
    }

    @Test
    void nothingThatAFileMaySayEndsTheProcess() throws IOException, InterruptedException {
        long seed = 20;
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        TokenizerMutations.class.getName(),
                        String.valueOf(seed),
                        "2000"))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String end = output.substring(Math.max(0, output.length() - 3000));
        assertThat(process.waitFor()).as("seed " + seed + ": " + end).isZero();
        assertThat(output.lines()).as(end).last().asString().startsWith("opened ");
    }
}
