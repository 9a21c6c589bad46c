package dev.loupe.dictionaries.attribution;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.model.HookedTransformer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * What the nodes of a graph are called.
 *
 * @param tokens the text of each token of the prompt
 * @param logits the text of each token that is explained
 * @param features of each feature that was asked for, the tokens that it speaks for
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record GraphLabels(List<String> tokens, List<String> logits, Map<AttributionGraph.Feature, String> features) {

    /** Copies the collections. */
    public GraphLabels {
        tokens = List.copyOf(tokens);
        logits = List.copyOf(logits);
        features = Map.copyOf(features);
    }

    /**
     * Texts of tokens, and for the features that are left of a graph the tokens whose logits they raise most.
     *
     * @param transcoders that the graph was made with
     */
    public static GraphLabels of(HookedTransformer model, List<Dictionary> transcoders, GraphPruning pruning) {
        AttributionGraph graph = pruning.graph();
        Map<Integer, SplicedDictionary> layers = new HashMap<>();
        transcoders.forEach(transcoder -> layers.put(
                model.hookNames().resolve(transcoder.config().hookOut()).layer(), transcoder.spliced()));
        Map<AttributionGraph.Feature, String> features = new HashMap<>();
        Map<List<Integer>, String> known = new HashMap<>();
        for (int node : pruning.nodes()) {
            if (graph.kind(node) == AttributionGraph.Kind.FEATURE) {
                AttributionGraph.Feature feature = graph.features().get(node);
                SplicedDictionary layer = layers.get(feature.layer());
                if (layer == null) {
                    throw new IllegalArgumentException("There is no transcoder for layer " + feature.layer() + " in "
                            + transcoders + "; give those that the graph was made with");
                }
                features.put(
                        feature,
                        known.computeIfAbsent(
                                List.of(feature.layer(), feature.feature()),
                                key -> TokenTexts.listed(
                                        model, FeatureReading.promotes(model, layer, feature.feature()))));
            }
        }
        long[] logits =
                graph.logits().stream().mapToLong(AttributionGraph.Logit::token).toArray();
        return new GraphLabels(TokenTexts.of(model, graph.tokens()), TokenTexts.of(model, logits), features);
    }

    /** What a node is, in a few words. */
    public String of(AttributionGraph graph, int node) {
        return switch (graph.kind(node)) {
            case FEATURE -> {
                AttributionGraph.Feature feature = graph.features().get(node);
                String speaksFor = features.getOrDefault(feature, "");
                yield "feature " + feature.feature() + (speaksFor.isEmpty() ? "" : " (" + speaksFor + ")");
            }
            case ERROR -> "error";
            case TOKEN -> "token '" + tokens.get(graph.position(node)) + "'";
            case LOGIT -> "next '" + logits.get(node - graph.sources()) + "'";
        };
    }
}
