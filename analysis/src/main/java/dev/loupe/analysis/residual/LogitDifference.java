package dev.loupe.analysis.residual;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** What each part of a model adds directly to the difference between the logits of two tokens. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class LogitDifference {

    /**
     * A part of a model, and what it adds.
     *
     * @param name as in {@link CacheAnalysis#getFullResidDecomposition}; {@code b_U} for the bias of the unembedding
     * @param layer of a head or an MLP; −1 for other parts
     * @param head of a head; −1 for other parts
     */
    public record Part(String name, int layer, int head, double value) {}

    private LogitDifference() {}

    /**
     * The parts' shares at the last real token of a sequence: heads, layer by layer; MLPs; what is of no layer; last the
     * bias of the unembedding.
     *
     * @param row the sequence of the batch
     */
    public static List<Part> parts(ActivationCache cache, int row, long answer, long wrong) {
        CacheAnalysis analysis = CacheAnalysis.of(cache);
        ResidualStack stack = analysis.getFullResidDecomposition(
                StackOptions.defaults().expandNeurons(false).applyLn().position(-1));
        Tensor each = analysis.logitAttrs(stack, Targets.id(answer), Targets.id(wrong));
        double[] values = (cache.hasBatchDim() ? each.select(1, row) : each).toDoubleArray();
        TransformerConfig config = cache.model().config();
        int heads = config.nLayers() * config.nHeads();
        List<Integer> mlps = new ArrayList<>();
        for (int layer = 0; layer < config.nLayers(); layer++) {
            if (config.block(layer).mlp() != BlockSpec.Mlp.NONE) {
                mlps.add(layer);
            }
        }
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            boolean ofMlp = i >= heads && i - heads < mlps.size();
            int layer = i < heads ? i / config.nHeads() : ofMlp ? mlps.get(i - heads) : -1;
            int head = i < heads ? i % config.nHeads() : -1;
            parts.add(new Part(stack.labels().get(i), layer, head, values[i]));
        }
        Tensor bias = cache.model().b_U();
        parts.add(new Part("b_U", -1, -1, bias.item(answer) - bias.item(wrong)));
        return parts;
    }
}
