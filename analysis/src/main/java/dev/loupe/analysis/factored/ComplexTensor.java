package dev.loupe.analysis.factored;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/**
 * Complex numbers in two tensors of one shape.
 *
 * @param real the real parts
 * @param imaginary the imaginary parts
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record ComplexTensor(Tensor real, Tensor imaginary) {

    /** Absolute values. */
    public Tensor abs() {
        return real.square().add(imaginary.square()).sqrt();
    }

    /** Angles in radians, from −π to π, computed in float64. */
    public Tensor angle() {
        double[] re = real.toDoubleArray();
        double[] im = imaginary.toDoubleArray();
        double[] angles = new double[re.length];
        for (int i = 0; i < angles.length; i++) {
            angles[i] = Math.atan2(im[i], re[i]);
        }
        return MatrixBatch.upload(angles, real.shape(), real);
    }
}
