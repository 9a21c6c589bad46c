package dev.loupe.analysis.factored;

import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A product A·B of two matrices, kept as the factors: the original's {@code FactoredMatrix}. Leading axes are a batch
 * and broadcast. Decompositions work on the factors, in float64; only {@link #AB} writes the product out.
 *
 * <p>The circuits of attention heads are such products, of low rank: W_V·W_O says what a head moves, W_Q·W_Kᵀ where it
 * looks ("A Mathematical Framework for Transformer Circuits", Elhage and others, 2021).
 *
 * <p>Immutable. The decomposition is computed at most once or twice, and kept.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class FactoredMatrix {

    private final Tensor a;
    private final Tensor b;
    private final long[] batch;
    private volatile @Nullable Svd svd;

    /**
     * The product of two factors.
     *
     * @param a [..., rows, inner]
     * @param b [..., inner, columns]
     * @throws IllegalArgumentException if the inner sizes differ or the leading ones don't broadcast
     */
    public FactoredMatrix(Tensor a, Tensor b) {
        if (a.rank() < 2 || b.rank() < 2 || a.size(-1) != b.size(-2)) {
            throw new IllegalArgumentException(
                    "Factors are [..., rows, inner] and [..., inner, columns]; got " + a.shape() + " and " + b.shape());
        }
        this.a = a;
        this.b = b;
        this.batch = broadcast(leading(a), leading(b));
    }

    private static long[] leading(Tensor tensor) {
        return Arrays.copyOf(tensor.shape().toArray(), tensor.rank() - 2);
    }

    private static long[] broadcast(long[] left, long[] right) {
        long[] result = new long[Math.max(left.length, right.length)];
        for (int i = 1; i <= result.length; i++) {
            long x = i <= left.length ? left[left.length - i] : 1;
            long y = i <= right.length ? right[right.length - i] : 1;
            if (x != y && x != 1 && y != 1) {
                throw new IllegalArgumentException(
                        "Leading sizes don't broadcast: " + Arrays.toString(left) + " and " + Arrays.toString(right));
            }
            result[result.length - i] = x == 1 ? y : x;
        }
        return result;
    }

    /** The left factor [..., rows, inner]. */
    public Tensor A() {
        return a;
    }

    /** The right factor [..., inner, columns]. */
    public Tensor B() {
        return b;
    }

    /** The product written out [..., rows, columns]. */
    public Tensor AB() {
        return a.matmul(b);
    }

    /**
     * The product in the other order [..., inner, inner]; its eigenvalues are those of A·B that aren't 0.
     *
     * @throws IllegalArgumentException if the product isn't square
     */
    public Tensor BA() {
        requireSquare("BA");
        return b.matmul(a);
    }

    private void requireSquare(String what) {
        if (ldim() != rdim()) {
            throw new IllegalArgumentException(what + " needs a square product, this is " + shape());
        }
    }

    /** The transpose: Bᵀ·Aᵀ. */
    public FactoredMatrix T() {
        return new FactoredMatrix(b.transpose(-2, -1), a.transpose(-2, -1));
    }

    /** Number of rows of the product. */
    public long ldim() {
        return a.size(-2);
    }

    /** Number of columns of the product. */
    public long rdim() {
        return b.size(-1);
    }

    /** The inner size: no less than the product's rank. */
    public long mdim() {
        return a.size(-1);
    }

    /** The product's shape. */
    public Shape shape() {
        long[] sizes = Arrays.copyOf(batch, batch.length + 2);
        sizes[batch.length] = ldim();
        sizes[batch.length + 1] = rdim();
        return Shape.of(sizes);
    }

    /** The number of axes of the product. */
    public int rank() {
        return batch.length + 2;
    }

    /** Whether there are axes before the last two. */
    public boolean hasLeadingDims() {
        return batch.length > 0;
    }

    /** Both factors. */
    public record Pair(Tensor A, Tensor B) {}

    /** Both factors. */
    public Pair pair() {
        return new Pair(a, b);
    }

    // Decompositions.

    /** The singular value decomposition, with as many singular values as the smallest of the three sizes. */
    public Svd svd() {
        Svd known = svd;
        if (known == null) {
            known = FactoredDecompositions.svd(a, b, batch);
            svd = known;
        }
        return known;
    }

    /** Left singular vectors [..., rows, rank]. */
    public Tensor U() {
        return svd().U();
    }

    /** Singular values [..., rank], descending. */
    public Tensor S() {
        return svd().S();
    }

    /** Right singular vectors [..., columns, rank]: A·B = U·diag(S)·Vᵀ. The original calls them {@code Vh}. */
    public Tensor V() {
        return svd().V();
    }

    /**
     * Eigenvalues of B·A [..., inner], the largest in absolute value first.
     *
     * @throws IllegalArgumentException if the product isn't square
     */
    public ComplexTensor eigenvalues() {
        requireSquare("eigenvalues");
        return FactoredDecompositions.eigenvalues(FactoredDecompositions.product(b, a, batch));
    }

    /** Frobenius norms of the product [...]. */
    public Tensor norm() {
        return FactoredDecompositions.norm(a, b, batch);
    }

    /** The same product with even factors: U·√S and √S·Vᵀ. */
    public FactoredMatrix makeEven() {
        Tensor root = S().sqrt();
        return new FactoredMatrix(
                U().mul(root.unsqueeze(-2)), V().mul(root.unsqueeze(-2)).transpose(-2, -1));
    }

    /** The product turned on its left side so that only S·Vᵀ is left [..., rank, columns]: same norm, same V. */
    public Tensor collapseL() {
        return V().mul(S().unsqueeze(-2)).transpose(-2, -1);
    }

    /** The product turned on its right side so that only U·S is left [..., rows, rank]: same norm, same U. */
    public Tensor collapseR() {
        return U().mul(S().unsqueeze(-2));
    }

    /** The first {@code k} places of every axis of the product. */
    public Tensor getCorner(int k) {
        FactoredMatrix rest = this;
        for (int axis = 0; axis < batch.length; axis++) {
            Object[] indices = new Object[axis + 1];
            Arrays.fill(indices, Index.all());
            indices[axis] = Index.range(0, k);
            rest = rest.get(indices);
        }
        return rest.a.slice(-2, 0, k).matmul(rest.b.slice(-1, 0, k));
    }

    // Products.

    /**
     * This times a matrix [..., columns, n].
     *
     * @throws IllegalArgumentException if the sizes don't fit
     */
    public FactoredMatrix matmul(Tensor right) {
        if (right.rank() < 2) {
            throw new IllegalArgumentException(
                    "A matrix has two axes at least, got " + right.shape() + "; use matvec for a vector");
        }
        requireEqual(rdim(), right.size(-2), right.shape(), "on the right");
        // The smaller inner size is kept: that of the factors, or that between the product and the matrix.
        return mdim() <= rdim() ? new FactoredMatrix(a, b.matmul(right)) : new FactoredMatrix(AB(), right);
    }

    /** A matrix [..., n, rows] times this. */
    public FactoredMatrix leftMatmul(Tensor left) {
        if (left.rank() < 2) {
            throw new IllegalArgumentException(
                    "A matrix has two axes at least, got " + left.shape() + "; use vecmat for a vector");
        }
        requireEqual(ldim(), left.size(-1), left.shape(), "on the left");
        return mdim() <= ldim() ? new FactoredMatrix(left.matmul(a), b) : new FactoredMatrix(left, AB());
    }

    /** This times another factored matrix; the smaller of the two inner sizes is kept. */
    public FactoredMatrix matmul(FactoredMatrix right) {
        requireEqual(rdim(), right.ldim(), right.shape(), "on the right");
        Tensor middle = b.matmul(right.a);
        return mdim() <= right.mdim()
                ? new FactoredMatrix(a, middle.matmul(right.b))
                : new FactoredMatrix(a.matmul(middle), right.b);
    }

    /** This times a vector [columns], giving [..., rows]. */
    public Tensor matvec(Tensor vector) {
        requireVector(vector, rdim());
        return a.matmul(b.matmul(vector.unsqueeze(-1))).squeeze(-1);
    }

    /** A vector [rows] times this, giving [..., columns]. */
    public Tensor vecmat(Tensor vector) {
        requireVector(vector, ldim());
        return vector.unsqueeze(0).matmul(a).matmul(b).squeeze(-2);
    }

    private void requireVector(Tensor vector, long size) {
        if (vector.rank() != 1 || vector.size(0) != size) {
            throw new IllegalArgumentException("A product of shape " + shape() + " needs a vector of " + size
                    + " on this side, got " + vector.shape());
        }
    }

    private void requireEqual(long own, long others, Shape other, String side) {
        if (own != others) {
            throw new IllegalArgumentException(
                    "A product of shape " + shape() + " can't be multiplied by " + other + " " + side);
        }
    }

    /** Every element times a number. */
    public FactoredMatrix mul(double number) {
        return new FactoredMatrix(a.mul(number), b);
    }

    /**
     * Each matrix of the batch times its own number.
     *
     * @param numbers a scalar, or of the batch's shape [...]
     */
    public FactoredMatrix mul(Tensor numbers) {
        if (numbers.rank() > batch.length) {
            throw new IllegalArgumentException("Numbers for a batch of shape " + Arrays.toString(batch)
                    + " can't have shape " + numbers.shape()
                    + ": an elementwise product doesn't keep the factors. Multiply AB() instead.");
        }
        Tensor scale = numbers.rank() == 0 ? numbers : numbers.unsqueeze(-1).unsqueeze(-1);
        return new FactoredMatrix(a.mul(scale), b);
    }

    // Shape.

    /** Inserts an axis of size 1 before leading axis {@code at}. */
    public FactoredMatrix unsqueeze(int at) {
        if (at < 0 || at > batch.length) {
            throw new IllegalArgumentException("An axis can be inserted at 0 to " + batch.length
                    + " of a product of shape " + shape() + ", not at " + at);
        }
        FactoredMatrix full = expanded();
        return new FactoredMatrix(full.a.unsqueeze(at), full.b.unsqueeze(at));
    }

    /**
     * Part of this: indices for leading axes, then for rows, then for columns, as {@link Tensor#get} takes them. Rows
     * and columns keep their axes, whatever the index, so that the result is a matrix again.
     *
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public FactoredMatrix get(Object... indices) {
        List<Index> all = new ArrayList<>(Index.at(indices).indices());
        int ellipsis = -1;
        for (int i = 0; i < all.size(); i++) {
            if (all.get(i) instanceof Index.Ellipsis) {
                ellipsis = i;
            }
        }
        if (ellipsis >= 0) {
            all.remove(ellipsis);
            while (all.size() < rank()) {
                all.add(ellipsis, Index.all());
            }
        }
        if (all.size() > rank()) {
            throw new IndexOutOfBoundsException(
                    all.size() + " indices for a product of rank " + rank() + " " + shape());
        }
        int lead = Math.min(all.size(), batch.length);
        List<Object> left = new ArrayList<>(all.subList(0, lead));
        List<Object> right = new ArrayList<>(left);
        while (left.size() < batch.length) {
            left.add(Index.all());
            right.add(Index.all());
        }
        if (all.size() > batch.length) {
            left.add(keepingAxis(all.get(batch.length)));
        }
        right.add(Index.all());
        if (all.size() > batch.length + 1) {
            right.add(keepingAxis(all.get(batch.length + 1)));
        }
        FactoredMatrix full = lead == 0 ? this : expanded();
        if (lead == 0 && hasLeadingDims()) {
            full = expanded();
        }
        return new FactoredMatrix(full.a.get(left.toArray()), full.b.get(right.toArray()));
    }

    private static Index keepingAxis(Index index) {
        return index instanceof Index.One one ? Index.pick(one.position()) : index;
    }

    /** The same with both factors broadcast to the batch. */
    private FactoredMatrix expanded() {
        return new FactoredMatrix(expand(a), expand(b));
    }

    private Tensor expand(Tensor factor) {
        if (Arrays.equals(leading(factor), batch)) {
            return factor;
        }
        Tensor aligned = factor;
        while (aligned.rank() < batch.length + 2) {
            aligned = aligned.unsqueeze(0);
        }
        long[] sizes = Arrays.copyOf(batch, batch.length + 2);
        sizes[batch.length] = factor.size(-2);
        sizes[batch.length + 1] = factor.size(-1);
        return aligned.expand(sizes);
    }

    @Override
    public String toString() {
        return "FactoredMatrix " + shape() + " with inner size " + mdim();
    }
}
