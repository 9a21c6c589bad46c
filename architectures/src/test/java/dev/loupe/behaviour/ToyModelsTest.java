package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The bundled models do what their README says of them; the figures there are Hugging Face transformers'. */
final class ToyModelsTest {

    private static final LoadOptions REFERENCE = LoadOptions.defaults().withBackend("reference");
    private static final String BUNDLED = "/dev/loupe/architectures/bundled/";

    private static List<JsonNode> lines(String file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        ObjectMapper mapper = new ObjectMapper();
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                Objects.requireNonNull(ToyModelsTest.class.getResourceAsStream(BUNDLED + file)),
                StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                lines.add(mapper.readTree(line));
            }
        }
        return lines;
    }

    @ParameterizedTest
    @CsvSource({"toy-gpt2, 1.00, 11.24", "toy-llama, 0.93, 7.66", "toy-mistral, 0.95, 9.79"})
    void theIndirectObjectIsIdentified(String name, double accuracy, double meanDifference) throws IOException {
        List<JsonNode> prompts = lines("ioi.jsonl");
        int right = 0;
        double sum = 0;
        try (HookedTransformer model = HookedTransformer.fromPretrained(name, REFERENCE)) {
            for (int start = 0; start < prompts.size(); start += 50) {
                List<JsonNode> part = prompts.subList(start, Math.min(start + 50, prompts.size()));
                List<String> texts = part.stream()
                        .map(prompt -> prompt.get("clean").asText())
                        .toList();
                Tokens tokens = model.toTokens(texts, true, true);
                try (RunResult run =
                        model.run(RunRequest.of(tokens).logitsAt(-1).build())) {
                    for (int row = 0; row < part.size(); row++) {
                        long answer =
                                model.toSingleToken(part.get(row).get("answer").asText());
                        long wrong =
                                model.toSingleToken(part.get(row).get("wrong").asText());
                        double[] logits = run.logits().get(row, 0).toDoubleArray();
                        double difference = logits[(int) answer] - logits[(int) wrong];
                        right += difference > 0 ? 1 : 0;
                        sum += difference;
                    }
                }
            }
        }
        // The figures have two digits behind the point.
        assertThat((double) right / prompts.size()).isGreaterThanOrEqualTo(accuracy - 0.005);
        assertThat(sum / prompts.size()).isCloseTo(meanDifference, within(0.006));
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void everyCapitalIsNamedFirst(String name) throws IOException {
        try (HookedTransformer model = HookedTransformer.fromPretrained(name, REFERENCE)) {
            for (JsonNode line : lines("behaviours.jsonl")) {
                if (line.get("task").asText().equals("capital")) {
                    String prompt = line.get("prompt").asText();
                    assertThat(model.generate(prompt, GenerateOptions.greedy(1)))
                            .isEqualTo(prompt + line.get("answer").asText());
                }
            }
        }
    }

    @Test
    void textGoesToTokensAndBack() {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", REFERENCE)) {
            String text = "When Mary and John went to the store";
            Tokens tokens = model.toTokens(text);
            assertThat(tokens.id(0, 0)).isZero();
            assertThat(model.toTokens("<|endoftext|>" + text)).isEqualTo(tokens);
            assertThat(model.toTokens(text, false).positions()).isEqualTo(tokens.positions() - 1);
            assertThat(model.toString(tokens.row(0))).isEqualTo("<|endoftext|>" + text);
            assertThat(model.toString(tokens.row(0), true)).isEqualTo(text);
            assertThat(model.toStrTokens(text)).startsWith("<|endoftext|>", "When", " Mary", " and", " John");
            assertThat(model.getTokenPosition(" John", text)).isEqualTo(4);
            Tokens padded = model.toTokens(List.of(text, "When"), true, true);
            assertThat(padded.hasPadding()).isTrue();
            assertThat(padded.realTokens(1)).isEqualTo(model.toTokens("When").row(0));
            assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> model.toSingleToken("Mary and")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("isn't one token");
            assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> model.getTokenPosition(" Paris", text)))
                    .hasMessageContaining("Paris");
        }
    }
}
