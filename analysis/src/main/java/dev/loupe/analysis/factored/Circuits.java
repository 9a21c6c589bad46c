package dev.loupe.analysis.factored;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** The circuits of a model's attention heads, from "A Mathematical Framework for Transformer Circuits". */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Circuits {

    /** What a head of a later layer composes with what an earlier head wrote. */
    public enum Composition {
        /** With its queries: what the earlier head wrote says where the later one looks from. */
        Q,
        /** With its keys: what the earlier head wrote says where the later one is drawn to. */
        K,
        /** With its values: the later head moves what the earlier one wrote. */
        V
    }

    private Circuits() {}

    /** Where each head looks: W_Q·W_Kᵀ [layer, head, d_model, d_model]; grouped heads repeated. */
    public static FactoredMatrix QK(HookedTransformer model) {
        return new FactoredMatrix(model.W_Q(), model.W_K().transpose(-2, -1));
    }

    /** What each head moves: W_V·W_O [layer, head, d_model, d_model]; grouped heads repeated. */
    public static FactoredMatrix OV(HookedTransformer model) {
        return new FactoredMatrix(model.W_V(), model.W_O());
    }

    /**
     * How much each head reads of what each earlier head writes [layer, head, later layer, later head]; 0 where the
     * second doesn't stand in a later layer than the first.
     */
    public static Tensor allCompositionScores(HookedTransformer model, Composition kind) {
        TransformerConfig config = model.config();
        FactoredMatrix left = OV(model);
        FactoredMatrix right = switch (kind) {
            case Q -> QK(model);
            case K -> QK(model).T();
            case V -> left;
        };
        int layers = config.nLayers();
        List<Tensor> rows = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            Tensor none = model.tensors().zeros(left.S().dtype(), config.nHeads(), layer + 1, config.nHeads());
            if (layer == layers - 1) {
                rows.add(none);
            } else {
                FactoredMatrix later = new FactoredMatrix(
                        right.A().slice(0, layer + 1, layers), right.B().slice(0, layer + 1, layers));
                rows.add(Tensor.concat(1, none, CompositionScores.of(left.get(layer), later)));
            }
        }
        return Tensor.stack(0, rows);
    }

    /** Labels of heads in the order of the rows and columns of composition scores: {@code L0H0}, {@code L0H1}, … */
    public static List<String> headLabels(TransformerConfig config) {
        List<String> labels = new ArrayList<>();
        for (int layer = 0; layer < config.nLayers(); layer++) {
            for (int head = 0; head < config.nHeads(); head++) {
                labels.add("L" + layer + "H" + head);
            }
        }
        return labels;
    }
}
