package dev.loupe.dictionaries.attribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attribution graphs, by their arithmetic. */
class AttributionGraphTest {

    static final String PROMPT = "When Mary and John went to the store, John gave a drink to";

    static HookedTransformer model(String backend, DType dtype) {
        return HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.noProcessing().withBackend(backend).withDType(dtype));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void incomingEdgesAndBiasSumUpToEveryTarget(boolean skipFirst) {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            AttributionGraph graph = AttributionGraph.of(
                    model,
                    Dictionaries.loadSet(Dictionaries.BUNDLED_SET),
                    model.toTokens("Mary and John went to"),
                    AttributionOptions.defaults().withSkipFirst(skipFirst));
            sumsUp(graph, 1e-9);
            assertThat(graph.features()).hasSize(graph.activeFeatures());
        }
    }

    static void sumsUp(AttributionGraph graph, double tolerance) {
        int targets = 0;
        for (int target = 0; target < graph.nodes(); target++) {
            if (graph.row(target) >= 0) {
                double sum = graph.bias(target) + graph.leftOut(target);
                double largest = Math.abs(graph.bias(target));
                for (int source = 0; source < graph.sources(); source++) {
                    sum += graph.edge(source, target);
                    largest = Math.max(largest, Math.abs(graph.edge(source, target)));
                }
                double size = Math.max(largest, Math.abs(graph.value(target)));
                assertThat(sum).as("target %d", target).isCloseTo(graph.value(target), within(tolerance * size));
                targets++;
            }
        }
        assertThat(targets).isEqualTo(graph.features().size() + graph.logits().size());
    }

    @Test
    void theToyModelsGraphExplainsMary() {
        try (HookedTransformer model = model("reference", DType.FLOAT32)) {
            Tokens tokens = model.toTokens(PROMPT);
            long before = System.nanoTime();
            AttributionGraph graph =
                    AttributionGraph.of(model, Dictionaries.loadSet(Dictionaries.BUNDLED_SET), tokens);
            System.out.println(graph + " " + (System.nanoTime() - before) / 1e9 + " s");
            System.out.println(graph.logits());
            System.out.println("replacement " + graph.replacementScore() + " completeness " + graph.completenessScore());
            System.out.println(graph.prune(0.8, 0.98).nodes().length + " nodes, "
                    + graph.prune(0.8, 0.98).edges().size() + " edges");
            assertThat(graph.logits().get(0).token()).isEqualTo(model.toSingleToken(" Mary"));
        }
    }
}
