package dev.loupe.analysis.factored;

import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Reads singular vectors of a model's weights as tokens ("The Singular Value Decompositions of Transformer Weight
 * Matrices are Highly Interpretable", Millidge and Black, 2022): the directions that a head or an MLP writes or reads
 * most strongly, through the unembedding. Weights are meant to be processed ({@code foldLn}).
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SvdInterpreter {

    private final HookedTransformer model;

    /** An interpreter for a model. */
    public SvdInterpreter(HookedTransformer model) {
        this.model = model;
    }

    /**
     * Singular vectors as tokens.
     *
     * @param singularValues [count], descending
     * @param logits [count, d_vocab]: each right singular vector times W_U. A singular vector's sign means nothing, so
     *     the lowest tell as much as the highest.
     */
    public record Reading(HookedTransformer model, Tensor singularValues, Tensor logits) {

        /** For each vector the tokens with the highest logits, the highest first. */
        public List<List<String>> topTokens(int k) {
            Tensor indices = logits.topk(k, -1).indices();
            List<List<String>> tokens = new ArrayList<>();
            for (int i = 0; i < indices.size(0); i++) {
                tokens.add(model.toStrTokens(indices.select(0, i).toLongArray()));
            }
            return tokens;
        }
    }

    /** What a head's OV circuit writes: its right singular vectors. */
    public Reading ov(int layer, int head, int count) {
        return read(new FactoredMatrix(model.W_V().get(layer, head), model.W_O().get(layer, head)).svd(), count);
    }

    /** What an MLP's neurons read: the right singular vectors of W_inᵀ, which lie in the residual stream. */
    public Reading wIn(int layer, int count) {
        return read(of(model.W_in().select(0, layer).transpose(0, 1)), count);
    }

    /** What an MLP's neurons write: the right singular vectors of W_out. */
    public Reading wOut(int layer, int count) {
        return read(of(model.W_out().select(0, layer)), count);
    }

    /** A matrix [d_mlp, d_model] times the identity: its decomposition is that of the matrix. */
    private Svd of(Tensor matrix) {
        int width = model.config().dModel();
        float[] ones = new float[width * width];
        for (int i = 0; i < width; i++) {
            ones[i * width + i] = 1;
        }
        Tensor identity = model.tensors().of(ones, width, width).to(matrix.dtype());
        return new FactoredMatrix(matrix, identity).svd();
    }

    private Reading read(Svd svd, int count) {
        if (count < 1 || count > svd.S().size(-1)) {
            throw new IllegalArgumentException(
                    "There are " + svd.S().size(-1) + " singular vectors; asked for " + count);
        }
        Tensor vectors = svd.V().slice(-1, 0, count).transpose(-2, -1);
        return new Reading(
                model, svd.S().slice(-1, 0, count), vectors.matmul(model.W_U().to(vectors.dtype())));
    }
}
