package dev.loupe.architectures.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architectures.files.BundledFiles;
import dev.loupe.architectures.files.DirectoryFiles;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerFilesTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Tokenizer TOY = TokenizerFiles.open(
                    new BundledFiles("toy-gpt2"), new CheckpointConfig("config.json", Map.of()))
            .tokenizer()
            .orElseThrow();

    @TempDir
    Path directory;

    private CheckpointConfig config;

    @BeforeEach
    void noIdsInTheConfig() {
        config = new CheckpointConfig("config.json", Map.of());
    }

    private FoundTokenizer find() {
        return TokenizerFiles.open(new DirectoryFiles(directory), config);
    }

    private Tokenizer open() {
        FoundTokenizer found = find();
        assertThat(found.problem()).isEmpty();
        return found.tokenizer().orElseThrow();
    }

    private Tokenizer open(ObjectNode tokenizer, String settings) throws IOException {
        write("tokenizer.json", tokenizer.toString());
        write("tokenizer_config.json", settings);
        return open();
    }

    private void write(String file, String content) throws IOException {
        Files.writeString(directory.resolve(file), content);
    }

    private static List<String> pieces(Tokenizer tokenizer, String text) {
        return Arrays.stream(tokenizer.encode(text))
                .mapToObj(tokenizer::tokenText)
                .toList();
    }

    // GPT-2: byte-level BPE

    @Test
    void gpt2sTokensAreShownAsTheTextTheyStandFor() {
        assertThat(pieces(TOY, "When Mary and John went to the store, John gave a drink to"))
                .containsExactly(
                        "When", " Mary", " and", " John", " went", " to", " the", " store", ",", " John", " gave", " a",
                        " drink", " to");
    }

    @Test
    void textComesBackFromItsTokens() {
        for (String text : List.of(
                "The capital of France is Paris.",
                " leading and trailing ",
                "two\n\nlines\tand a tab",
                "ümlaut, 漢字, \uD83D\uDE00 and \u0000",
                "")) {
            assertThat(TOY.decode(TOY.encode(text), false)).isEqualTo(text);
        }
    }

    @Test
    void nothingIsAddedCutOrPadded() {
        assertThat(TOY.encode("")).isEmpty();
        String text = " the".repeat(5000);
        assertThat(TOY.encode(text)).hasSize(5000);
    }

    @Test
    void whatAFileSaysAboutCuttingAndPaddingIsForTraining() throws IOException {
        ObjectNode tokenizer = SampleTokenizers.llama3();
        tokenizer
                .putObject("truncation")
                .put("direction", "Right")
                .put("max_length", 4)
                .put("strategy", "LongestFirst")
                .put("stride", 0);
        tokenizer
                .putObject("padding")
                .put("direction", "Right")
                .put("pad_id", 0)
                .put("pad_type_id", 0)
                .put("pad_token", "!")
                .putObject("strategy")
                .put("Fixed", 8);
        Tokenizer opened = open(tokenizer, "{}");
        assertThat(opened.encode(" Mary")).hasSize(1);
        assertThat(opened.encode(" Mary".repeat(20))).hasSize(20);
    }

    @Test
    void specialTokensWrittenInATextAreRecognised() {
        long[] ids = TOY.encode("<|endoftext|>Monday");
        assertThat(ids[0]).isZero();
        assertThat(TOY.decode(ids, true)).isEqualTo("Monday");
        assertThat(TOY.decode(ids, false)).isEqualTo("<|endoftext|>Monday");
        assertThat(TOY.tokenText(0)).isEqualTo("<|endoftext|>");
    }

    @Test
    void bytesThatAreNoCharactersAreShownAsBytes() {
        List<String> pieces = pieces(TOY, "漢");
        assertThat(pieces).containsExactly("\\xE6", "\\xBC", "\\xA2");
        assertThat(TOY.decode(TOY.encode("漢"), false)).isEqualTo("漢");
        assertThat(pieces(TOY, "a\nb")).contains("\n");
    }

    @Test
    void gpt2sSpecialTokensComeFromItsSettings() {
        assertThat(TOY.bosId()).hasValue(0);
        assertThat(TOY.eosId()).hasValue(0);
        assertThat(TOY.padId()).isEmpty();
        assertThat(TOY.addsBos()).isFalse();
        assertThat(TOY.vocabularySize()).isEqualTo(1389);
    }

    @Test
    void idsWithoutATokenAreShownAsSuch() {
        assertThat(TOY.tokenText(1389)).isEqualTo("<unused 1389>");
        assertThat(TOY.tokenText(-1)).isEqualTo("<unused -1>");
    }

    @Test
    void manyThreadsMayTokenizeAtOnce() {
        List<Integer> lengths = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            lengths.add(i);
        }
        assertThat(lengths.parallelStream().map(length -> TOY.encode(" the".repeat(length)).length))
                .containsExactlyElementsOf(lengths);
    }

    @Test
    void aVocabularyAndMergesAreATokenizerToo() throws IOException {
        ObjectNode toy = (ObjectNode) MAPPER.readTree(new BundledFiles("toy-gpt2").read("tokenizer.json"));
        write("vocab.json", toy.path("model").path("vocab").toString());
        StringBuilder merges = new StringBuilder("#version: 0.2\n");
        toy.path("model")
                .path("merges")
                .forEach(merge -> merges.append(merge.path(0).asText())
                        .append(' ')
                        .append(merge.path(1).asText())
                        .append('\n'));
        write("merges.txt", merges.toString());
        Tokenizer opened = open();
        for (String text : List.of(
                "When Mary and John went to the store, John gave a drink to",
                "ümlaut, 漢字 and \uD83D\uDE00; it's  two  spaces\n",
                "<|endoftext|>The keys near the dog")) {
            assertThat(opened.encode(text)).as(text).isEqualTo(TOY.encode(text));
            assertThat(opened.decode(opened.encode(text), false)).isEqualTo(text);
        }
        write("merges.txt", "#version: 0.2\nto o many\n");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("merges.txt: line 2")
                .withMessageContaining("'to o many'");
    }

    // LLaMA 2: SentencePiece's way

    private Tokenizer llama2() throws IOException {
        return open(
                SampleTokenizers.llama2(),
                "{\"bos_token\": {\"content\": \"<s>\", \"lstrip\": false}, \"eos_token\": \"</s>\","
                        + " \"unk_token\": \"<unk>\", \"pad_token\": null, \"add_bos_token\": true}");
    }

    @Test
    void llama2sTokensAreShownAsTheTextTheyStandFor() throws IOException {
        Tokenizer tokenizer = llama2();
        assertThat(pieces(tokenizer, "Mary John")).containsExactly(" Mary", " John");
        assertThat(pieces(tokenizer, "Mary\né")).containsExactly(" Mary", "\n", "\\xC3", "\\xA9");
        assertThat(tokenizer.encode("Mary")).as("no <s> in front").hasSize(1);
    }

    @Test
    void llama2sTextComesBackFromItsTokensWithoutTheSpaceThatTheTokenizerPutInFront() throws IOException {
        Tokenizer tokenizer = llama2();
        for (String text : List.of("Mary John", "John\nMaryé", " Mary", "Mary", "  ")) {
            assertThat(tokenizer.decode(tokenizer.encode(text), false)).isEqualTo(text);
        }
        assertThat(tokenizer.decode(new long[] {1}, false)).isEqualTo("<s>");
        long[] withBos = {1, tokenizer.encode("Mary")[0]};
        assertThat(tokenizer.decode(withBos, true)).isEqualTo("Mary");
        assertThat(tokenizer.tokenText(withBos[1])).isEqualTo(" Mary");
    }

    @Test
    void llama2sSpecialTokensMayBeTextsOrObjects() throws IOException {
        Tokenizer tokenizer = llama2();
        assertThat(tokenizer.bosId()).hasValue(1);
        assertThat(tokenizer.eosId()).hasValue(2);
        assertThat(tokenizer.padId()).isEmpty();
        assertThat(tokenizer.addsBos()).isTrue();
        assertThat(tokenizer.encode("<s>Mary")[0]).isEqualTo(1);
    }

    // LLaMA 3: byte-level BPE that puts BOS first

    @Test
    void llama3AddsBosByItsTemplateUnlessItIsSaidNotTo() throws IOException {
        String settings = "{\"bos_token\": \"<|begin_of_text|>\", \"eos_token\": \"<|end_of_text|>\"}";
        Tokenizer tokenizer = open(SampleTokenizers.llama3(), settings);
        int bos = tokenizer.bosId().orElseThrow();
        assertThat(bos).isEqualTo(tokenizer.vocabularySize() - 2);
        assertThat(tokenizer.eosId()).hasValue(bos + 1);
        assertThat(tokenizer.addsBos()).isTrue();
        assertThat(pieces(tokenizer, "John Maryé")).containsExactly("John", " Mary", "é");
        assertThat(tokenizer.tokenText(bos)).isEqualTo("<|begin_of_text|>");
        assertThat(open(SampleTokenizers.llama3(), settings.replace("}", ", \"add_bos_token\": false}"))
                        .addsBos())
                .isFalse();
    }

    // Pythia, Qwen, Gemma

    @Test
    void pythiasRunsOfSpacesAndSpecialTokensAreKept() throws IOException {
        Tokenizer tokenizer = open(
                SampleTokenizers.pythia(),
                "{\"bos_token\": \"<|endoftext|>\", \"eos_token\": \"<|endoftext|>\","
                        + " \"unk_token\": \"<|endoftext|>\", \"add_prefix_space\": false,"
                        + " \"tokenizer_class\": \"GPTNeoXTokenizer\"}");
        assertThat(pieces(tokenizer, "ary   x  y Mary<|endoftext|>"))
                .containsExactly("ary", "   ", "x", "  ", "y", " Mary", "<|endoftext|>");
        assertThat(pieces(tokenizer, "e\u0301")).containsExactly("é");
        assertThat(tokenizer.bosId()).hasValue(0);
        assertThat(tokenizer.padId()).isEmpty();
        assertThat(tokenizer.addsBos()).isFalse();
        assertThat(tokenizer.decode(tokenizer.encode("ary   x  y Mary"), false)).isEqualTo("ary   x  y Mary");
    }

    @Test
    void qwensChatTokensAreKeptAndItHasNoBos() throws IOException {
        Tokenizer tokenizer = open(
                SampleTokenizers.qwen(),
                "{\"add_bos_token\": false, \"add_prefix_space\": false, \"bos_token\": null,"
                        + " \"eos_token\": \"<|im_end|>\", \"pad_token\": \"<|endoftext|>\", \"unk_token\": null}");
        String chat = "<|im_start|>user\n12 Mary<|im_end|>";
        assertThat(pieces(tokenizer, chat))
                .containsExactly("<|im_start|>", "user", "\n", "1", "2", " Mary", "<|im_end|>");
        assertThat(tokenizer.decode(tokenizer.encode(chat), false)).isEqualTo(chat);
        assertThat(tokenizer.decode(tokenizer.encode(chat), true)).isEqualTo("user\n12 Mary");
        assertThat(tokenizer.decode(tokenizer.encode("<think>"), true))
                .as("an added token that isn't special")
                .isEqualTo("<think>");
        assertThat(tokenizer.bosId()).isEmpty();
        assertThat(tokenizer.addsBos()).isFalse();
        assertThat(tokenizer.eosId()).hasValue(tokenizer.vocabularySize() - 2);
        assertThat(tokenizer.padId()).hasValue(tokenizer.vocabularySize() - 4);
        assertThat(pieces(tokenizer, "e\u0301")).containsExactly("é");
    }

    @Test
    void gemmaPutsBosFirstAndNoSpace() throws IOException {
        Tokenizer tokenizer = open(
                SampleTokenizers.gemma(),
                "{\"add_bos_token\": true, \"bos_token\": \"<bos>\", \"eos_token\": {\"content\": \"<eos>\"},"
                        + " \"pad_token\": \"<pad>\", \"unk_token\": \"<unk>\"}");
        String chat = "<start_of_turn>user\nMary John\n\n漢<end_of_turn>";
        assertThat(pieces(tokenizer, chat))
                .containsExactly(
                        "<start_of_turn>",
                        "user",
                        "\n",
                        "Mary",
                        " John",
                        "\n\n",
                        "\\xE6",
                        "\\xBC",
                        "\\xA2",
                        "<end_of_turn>");
        assertThat(tokenizer.decode(tokenizer.encode(chat), false)).isEqualTo(chat);
        assertThat(tokenizer.decode(tokenizer.encode(" Mary"), true)).isEqualTo(" Mary");
        assertThat(tokenizer.bosId()).hasValue(2);
        assertThat(tokenizer.eosId()).hasValue(1);
        assertThat(tokenizer.padId()).hasValue(0);
        assertThat(tokenizer.addsBos()).isTrue();
        assertThat(open(SampleTokenizers.gemma(), "{\"bos_token\": \"<bos>\"}").addsBos())
                .as("by its template")
                .isTrue();
    }

    // vocab.json and merges.txt with what stands beside them; the ids are those of transformers 5.18

    private static Tokenizer fixture(String name) {
        return TokenizerFiles.open(
                        new DirectoryFiles(Fixtures.directory(name)), new CheckpointConfig("config.json", Map.of()))
                .tokenizer()
                .orElseThrow();
    }

    @Test
    void tokensInAFileOfTheirOwnAreAdded() {
        Tokenizer tokenizer = fixture(Fixtures.GPT2_ADDED_TOKENS);
        assertThat(tokenizer.encode("<|user|>Hi<PAD>")).containsExactly(262, 256, 261);
        assertThat(tokenizer.padId()).hasValue(261);
        assertThat(tokenizer.eosId()).hasValue(260);
        assertThat(tokenizer.vocabularySize()).isEqualTo(263);
        assertThat(tokenizer.decode(new long[] {262, 256, 261}, true)).isEqualTo("<|user|>Hi");
    }

    @Test
    void specialTokensOfTheVocabularyAreSpecialAndASpaceIsPutInFrontIfTheSettingsSaySo() {
        Tokenizer tokenizer = fixture(Fixtures.GPT2_OWN_SPECIALS);
        assertThat(tokenizer.encode("<s>the</s>")).containsExactly(0, 263, 2);
        assertThat(tokenizer.encode("the")).containsExactly(263);
        assertThat(tokenizer.decode(new long[] {0, 262, 2}, true)).isEqualTo("the");
        assertThat(tokenizer.padId()).hasValue(1);
        assertThat(tokenizer.bosId()).hasValue(0);
    }

    private void copy(String fixture) throws IOException {
        try (Stream<Path> files = Files.list(Fixtures.directory(fixture))) {
            for (Path file : files.toList()) {
                Files.write(directory.resolve(file.getFileName().toString()), Files.readAllBytes(file));
            }
        }
    }

    @Test
    void addedTokensMayStandInTheSettingsAndSpecialTokensMayBeNew() throws IOException {
        copy(Fixtures.GPT2_ADDED_TOKENS);
        Files.delete(directory.resolve("special_tokens_map.json"));
        write(
                "tokenizer_config.json",
                "{\"tokenizer_class\": \"GPT2TokenizerFast\", \"added_tokens_decoder\": {"
                        + "\"260\": {\"content\": \"<|endoftext|>\", \"special\": true, \"normalized\": false},"
                        + "\"261\": {\"content\": \"<a>\", \"special\": false, \"rstrip\": true}},"
                        + " \"eos_token\": \"<|endoftext|>\", \"pad_token\": \"<new>\"}");
        Tokenizer tokenizer = open();
        assertThat(tokenizer.encode("<a>  Hi<new><PAD>"))
                .startsWith(261, 256, 262)
                .hasSize(8);
        assertThat(tokenizer.padId()).hasValue(262);
    }

    @Test
    void idsThatAddedTokensCannotHaveAndUnknownKindsAreRefused() throws IOException {
        copy(Fixtures.GPT2_ADDED_TOKENS);
        write("added_tokens.json", "{\"<PAD>\": 261, \"<|user|>\": 270}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("vocab.json")
                .withMessageContaining("'<|user|>', has the id 270")
                .withMessageContaining("262");
        write("added_tokens.json", "{\"<PAD>\": 2.5}");
        assertThatIllegalArgumentException().isThrownBy(this::find).withMessageContaining("added_tokens.json");
        write("added_tokens.json", "{}");
        write("tokenizer_config.json", "{\"tokenizer_class\": \"CLIPTokenizer\"}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("tokenizer_config.json")
                .withMessageContaining("'CLIPTokenizer'");
    }

    @Test
    void qwensVocabularyAndMergesAreCutInQwensWay() throws IOException {
        copy(Fixtures.GPT2_ADDED_TOKENS);
        write("tokenizer_config.json", "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"eos_token\": \"<|endoftext|>\"}");
        // GPT-2 would cut "!H" and "i" otherwise: there a sign before a word is a piece of its own, here it isn't.
        assertThat(pieces(open(), "the!Hi e\u0301"))
                .startsWith("the", "!", "Hi")
                .hasSize(6);
    }

    // Where special tokens are found

    @Test
    void specialTokensAreLookedForInOneFileAfterTheOther() throws IOException {
        write("special_tokens_map.json", "{\"bos_token\": \"<|end_of_text|>\", \"pad_token\": {\"content\": \"!\"}}");
        Tokenizer fromMap = open(SampleTokenizers.llama3(), "{\"model_max_length\": 1000000000000000019884624838656}");
        int end = fromMap.vocabularySize() - 1;
        assertThat(fromMap.bosId()).hasValue(end);
        assertThat(fromMap.padId()).hasValue((int) fromMap.encode("!")[0]);

        Files.delete(directory.resolve("special_tokens_map.json"));
        config = new CheckpointConfig(
                "config.json", Map.of("bos_token_id", 3, "eos_token_id", List.of(7, 8), "pad_token_id", -1));
        Tokenizer fromConfig = open();
        assertThat(fromConfig.bosId()).hasValue(3);
        assertThat(fromConfig.eosId()).hasValue(7);
        assertThat(fromConfig.padId()).isEqualTo(OptionalInt.empty());

        write("generation_config.json", "{\"bos_token_id\": 5, \"pad_token_id\": 6}");
        assertThat(open().bosId()).as("the config comes first").hasValue(3);
        assertThat(open().padId()).hasValue(6);

        write("tokenizer_config.json", "{\"bos_token\": null}");
        assertThat(open().bosId()).as("null says that there is none").isEmpty();
    }

    // What is missing or broken

    @Test
    void withoutATokenizerTheProblemSaysWhatIsMissing() throws IOException {
        assertThat(find().tokenizer()).isEmpty();
        assertThat(find().problem()).contains(directory.toString(), "has no tokenizer.json");
        write("vocab.json", "{}");
        assertThat(find().problem()).contains("has no tokenizer.json");
        write("tokenizer.model", "sentencepiece");
        assertThat(find().problem())
                .contains("has tokenizer.model but no tokenizer.json")
                .contains("python -c", "AutoTokenizer", directory.toString());
    }

    @Test
    void aBrokenTokenizerIsNamed() throws IOException {
        write("tokenizer.json", "{\"model\": \n oops}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("tokenizer.json is not JSON")
                .withMessageContaining("line 2");
        write("tokenizer.json", "{\"model\": {\"type\": \"BPE\"}}");
        assertThatIllegalArgumentException().isThrownBy(this::find).withMessageContaining("no 'vocab'");
        write("tokenizer.json", "{\"model\": {\"type\": \"Mystery\", \"vocab\": {\"a\": 0}}}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("tokenizer.json: model is of the type 'Mystery'");
        write("tokenizer.json", "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}}");
        assertThatIllegalArgumentException()
                .isThrownBy(this::find)
                .withMessageContaining("tokenizer.json isn't understood by the tokenizers library")
                .withMessageContaining("unk_token")
                .withMessageNotContaining("line 1");
        write("tokenizer.json", "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": \"zero\"}}}");
        assertThatIllegalArgumentException().isThrownBy(this::find).withMessageContaining("is no id of a token");
    }
}
