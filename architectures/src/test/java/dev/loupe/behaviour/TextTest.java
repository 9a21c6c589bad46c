package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.PaddingSide;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Between text and tokens. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class TextTest {

    private static final LoadOptions REFERENCE = LoadOptions.defaults().withBackend("reference");
    private static final String SPACES =
            Fixtures.directory(Fixtures.LLAMA_SPACES).toString();

    private HookedTransformer toy;
    private HookedTransformer spaces;

    @BeforeAll
    void load() {
        toy = HookedTransformer.fromPretrained("toy-gpt2", REFERENCE);
        spaces = HookedTransformer.fromPretrained(SPACES, REFERENCE);
    }

    @AfterAll
    void close() {
        toy.close();
        spaces.close();
    }

    // Tokenizers that put a space in front of a text themselves; ids as transformers 5.18 has them on the fixture

    @Test
    void aNameIsOneTokenWithAndWithoutTheSpaceThatTheTokenizerPutsInFront() {
        assertThat(spaces.toSingleToken(" Mary")).isEqualTo(293);
        assertThat(spaces.toSingleToken("Mary")).isEqualTo(293);
        assertThat(spaces.toContinuationTokens(" Mary")).containsExactly(293);
        assertThat(spaces.toStrTokens(spaces.toContinuationTokens("Mary"))).containsExactly("M", "a", "r", "y");
        assertThat(spaces.toStrTokens(spaces.toContinuationTokens("  Mary"))).containsExactly(" ", " Mary");
        assertThat(spaces.getTokenPosition(" Mary", "When Mary and John went"))
                .as("behind <s> and When")
                .isEqualTo(2);
        assertThat(spaces.getTokenPosition(" When", "When Mary and John went")).isEqualTo(1);
    }

    @Test
    void whatIsNotOneTokenIsToldWithTheSpellingThatIs() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> spaces.toSingleToken(" Mary and"))
                .withMessageContaining("isn't one token but 2: [ Mary,  and]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> toy.toSingleToken("went"))
                .withMessageContaining("\" went\", with a space in front, is one");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> toy.toSingleToken(""))
                .withMessageContaining("isn't one token but 0");
        assertThat(toy.toContinuationTokens(" Mary")).containsExactly(toy.toSingleToken(" Mary"));
        assertThat(toy.toContinuationTokens("  x"))
                .isEqualTo(toy.toTokens("  x", false).row(0));
    }

    @Test
    void aTextsFirstTokenIsDecodedAloneAsAtItsStart() {
        assertThat(spaces.toString(new long[] {293})).isEqualTo("Mary");
        assertThat(spaces.toString(new long[] {293, 297})).isEqualTo("Mary John");
        assertThat(spaces.toString(new long[] {1, 293}, true)).isEqualTo("Mary");
        assertThat(spaces.toStrTokens(new long[] {293})).containsExactly(" Mary");
    }

    // Documents in rows

    @Test
    void documentsAreJoinedByEosAndCutInRows() {
        List<String> documents = List.of("When Mary and John", " went to the store", " Mary");
        long eos = toy.tokenizer().orElseThrow().eosId().orElseThrow();
        long[] first = toy.toTokens(documents.get(0), false).row(0);
        long[] second = toy.toTokens(documents.get(1), false).row(0);
        // 4 + EOS + 4 + EOS + 1 = 11 tokens.
        Tokens plain = toy.tokenizeAndConcatenate(documents, 5, false);
        assertThat(plain.batch()).isEqualTo(2);
        assertThat(plain.hasPadding()).isFalse();
        assertThat(plain.row(0)).containsExactly(first[0], first[1], first[2], first[3], eos);
        assertThat(plain.row(1)).containsExactly(second[0], second[1], second[2], second[3], eos);
        Tokens withBos = toy.tokenizeAndConcatenate(documents, 4, true);
        assertThat(withBos.batch()).as("11 tokens by 3").isEqualTo(3);
        long bos = toy.tokenizer().orElseThrow().bosId().orElseThrow();
        assertThat(withBos.row(0)).containsExactly(bos, first[0], first[1], first[2]);
        assertThat(withBos.row(1)).containsExactly(bos, first[3], eos, second[0]);
    }

    @Test
    void tooLittleForARowIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> toy.tokenizeAndConcatenate(List.of("When Mary"), 10, false))
                .withMessageContaining("2 tokens together");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> toy.tokenizeAndConcatenate(List.of("When Mary"), 1, true))
                .withMessageContaining("no room");
    }

    // Padding

    @Test
    void eachRunMayPadAtItsOwnSide() {
        List<String> texts = List.of("When", "When Mary and John went");
        Tokens left = toy.toTokens(texts, PaddingSide.LEFT);
        Tokens right = toy.toTokens(texts, PaddingSide.RIGHT);
        assertThat(left.isReal(0, 0)).isFalse();
        assertThat(right.isReal(0, right.positions() - 1)).isFalse();
        assertThat(right).isEqualTo(toy.toTokens(texts));
        assertThat(toy.toTokens(texts, false, PaddingSide.LEFT).positions()).isEqualTo(left.positions() - 1);
        try (Tensor behind = toy.forward(texts, PaddingSide.RIGHT);
                Tensor before = toy.forward(texts, PaddingSide.LEFT)) {
            double[] last = before.get(0, -1).toDoubleArray();
            double[] same = behind.get(0, right.lastReal(0)).toDoubleArray();
            for (int i = 0; i < last.length; i++) {
                assertThat(last[i]).isCloseTo(same[i], org.assertj.core.api.Assertions.within(1e-4));
            }
        }
    }

    // Other tokenizers

    @Test
    void aModelMayBeLoadedWithAnotherTokenizer() {
        Tokenizer other = Tokenizer.fromPretrained(SPACES);
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", REFERENCE.withTokenizer(other))) {
            assertThat(model.tokenizer()).containsSame(other);
            assertThat(model.toSingleToken(" Mary")).isEqualTo(293);
        }
    }

    @Test
    void aBrokenTokenizerDoesNotMatterIfAnotherIsGiven(@TempDir Path directory) throws IOException {
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(Path.of(SPACES, file), directory.resolve(file));
        }
        Files.writeString(directory.resolve("tokenizer.json"), "{}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HookedTransformer.fromPretrained(directory.toString(), REFERENCE))
                .withMessageContaining("tokenizer.json");
        LoadOptions options = REFERENCE.withTokenizer(Tokenizer.fromPretrained(SPACES));
        try (HookedTransformer model = HookedTransformer.fromPretrained(directory.toString(), options)) {
            assertThat(model.toSingleToken(" Mary")).isEqualTo(293);
        }
    }

    @Test
    void aTokenizerMayBeSetLater() {
        try (HookedTransformer model = HookedTransformer.fromConfig(spaces.config(), 1, REFERENCE)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> model.toTokens("Mary"))
                    .withMessageContaining("has no tokenizer");
            model.setTokenizer(Tokenizer.fromPretrained(SPACES));
            assertThat(model.toTokens("Mary").row(0)).containsExactly(1, 293);
        }
    }

    @Test
    void aDirectoryWithoutATokenizerIsNamed() {
        assertThatThrownBy(() -> Tokenizer.fromPretrained(
                        Fixtures.directory(Fixtures.GPT2).toString()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has no tokenizer.json");
    }
}
