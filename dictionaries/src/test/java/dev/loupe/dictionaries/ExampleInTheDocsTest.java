package dev.loupe.dictionaries;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.dictionaries.attribution.AttributionGraph;
import dev.loupe.dictionaries.attribution.GraphPruning;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The example in {@code docs/dictionaries.md} is this code. */
class ExampleInTheDocsTest {

    @Test
    void theExampleRuns() {
        // example
        LoadOptions raw = LoadOptions.noProcessing(); // as the dictionary was trained
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", raw)) {
            SplicedDictionary dictionary =
                    Dictionary.load("resid_post_2.topk").spliced().withErrorTerm();
            try (HookedTransformer with = model.with(dictionary)) {
                Tokens tokens = with.toTokens("When Mary and John went to the store, John gave a drink to");
                Metric metric = Metric.logitDifference(with, " Mary", " John");
                List<FeatureReading.TokenFeatures> places = FeatureReading.read(with, dictionary, tokens, 5, metric);
                FeatureReading.Feature strongest =
                        places.get(tokens.positions() - 1).features().get(0);
                Tensor without = with.runWith(tokens, dictionary.ablate(strongest.feature()));
                Tensor steered = with.runWith(tokens, dictionary.steer(strongest.feature(), 10));
                // end
                assertThat(places).hasSize(tokens.positions());
                assertThat(strongest.promotes()).hasSize(4);
                assertThat(without.maxAbsDifference(steered)).isPositive();
                // example
            }
            List<Dictionary> transcoders = Dictionaries.loadSet("toy-gpt2.transcoders");
            AttributionGraph graph = AttributionGraph.of(model, transcoders, model.toTokens("Mary and John went to"));
            GraphPruning pruning = graph.prune(0.8, 0.98);
            // end
            assertThat(pruning.edges()).isNotEmpty();
            // example
        }
        // end
    }

    @Test
    void itIsTheExampleInTheDocs() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "dictionaries.md"));
        int from = page.indexOf("```java\n") + "```java\n".length();
        String shown = page.substring(from, page.indexOf("```", from));
        String source = Files.readString(
                Path.of("src", "test", "java", "dev", "loupe", "dictionaries", "ExampleInTheDocsTest.java"));
        StringBuilder run = new StringBuilder();
        boolean inside = false;
        for (String line : source.substring(
                        source.indexOf("theExampleRuns()"), source.indexOf("itIsTheExampleInTheDocs"))
                .lines()
                .toList()) {
            String mark = line.strip();
            if (mark.equals("// example") || mark.equals("// end")) {
                inside = mark.equals("// example");
            } else if (inside) {
                run.append(line);
            }
        }
        // The formatter breaks lines as it likes.
        assertThat(run.toString().replaceAll("\\s+", "")).isEqualTo(shown.replaceAll("\\s+", ""));
    }
}
