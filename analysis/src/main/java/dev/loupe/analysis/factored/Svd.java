package dev.loupe.analysis.factored;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/**
 * A singular value decomposition: the matrix is U · diag(S) · Vᵀ. The columns of U and of V are orthonormal; the
 * singular values are not negative and descend.
 *
 * @param U [..., rows, rank]
 * @param S [..., rank]
 * @param V [..., columns, rank], not transposed
 */
@SuppressWarnings("checkstyle:ParameterName") // The mathematical spelling.
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Svd(Tensor U, Tensor S, Tensor V) {}
