package dev.loupe.analysis.factored;

import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * How much of what one circuit writes another one reads: ‖L·R‖ / (‖L‖·‖R‖), Frobenius norms, from "A Mathematical
 * Framework for Transformer Circuits" (Elhage and others, 2021). A circuit of norm 0 writes and
 * reads nothing: its scores are 0.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class CompositionScores {

    private CompositionScores() {}

    /**
     * Scores of every matrix on the left with every matrix on the right.
     *
     * @param left [l..., n, d]
     * @param right [r..., d, m]
     * @return [l..., r...]
     * @throws IllegalArgumentException if the sizes don't fit
     */
    public static Tensor of(FactoredMatrix left, FactoredMatrix right) {
        if (left.rdim() != right.ldim()) {
            throw new IllegalArgumentException(
                    "Composition needs as many columns on the left as rows on the right; got " + left.shape() + " and "
                            + right.shape());
        }
        // Turning the outer sides changes no norm, and leaves small matrices: [inner, d]·[d, inner].
        Tensor from = left.collapseL();
        Tensor to = right.collapseR();
        Tensor toNorms = to.norm(-2, -1);
        long[] leading = Arrays.copyOf(from.shape().toArray(), from.rank() - 2);
        Tensor rows = from.reshape(-1, from.size(-2), from.size(-1));
        List<Tensor> scores = new ArrayList<>();
        for (int i = 0; i < rows.size(0); i++) {
            Tensor row = rows.select(0, i);
            scores.add(row.matmul(to).norm(-2, -1).div(orOne(row.norm())).div(orOne(toNorms)));
        }
        long[] shape = Arrays.copyOf(leading, leading.length + toNorms.rank());
        System.arraycopy(toNorms.shape().toArray(), 0, shape, leading.length, toNorms.rank());
        return Tensor.stack(0, scores).reshape(shape);
    }

    /** Norms to divide by: that of a zero matrix, whose products are 0 too, as 1. */
    private static Tensor orOne(Tensor norms) {
        double[] numbers = norms.toDoubleArray();
        if (Arrays.stream(numbers).noneMatch(norm -> norm == 0)) {
            return norms;
        }
        double[] divisors =
                Arrays.stream(numbers).map(norm -> norm == 0 ? 1 : norm).toArray();
        return MatrixBatch.upload(divisors, norms.shape(), norms);
    }
}
