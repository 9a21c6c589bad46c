package dev.loupe.backend.pytorch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Carries tensors over to DJL and back, on the device where they lie.
 *
 * <p>Both ways make a copy: DJL's arrays can be written to and Loupe's tensors can't, and an array that DJL made
 * from a Java array reads memory that may be gone when the array isn't.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class PyTorchTensors {

    private PyTorchTensors() {}

    /**
     * A copy of a tensor as DJL's array, which no manager looks after: whoever calls closes it, or attaches it.
     *
     * @throws IllegalArgumentException if the tensor is not on the backend {@code pytorch}, or is bfloat16, which DJL
     *     has no name for
     * @throws IllegalStateException if the tensor is closed
     */
    public static NDArray toNDArray(Tensor tensor) {
        PtNDArray array = copy(tensor);
        array.detach();
        return array;
    }

    /**
     * A copy of a tensor as DJL's array, attached to a manager.
     *
     * @throws IllegalArgumentException if the tensor is not on the backend {@code pytorch}, or is bfloat16, which DJL
     *     has no name for, or the manager is not one of DJL's PyTorch engine
     * @throws IllegalStateException if the tensor is closed
     */
    public static NDArray toNDArray(Tensor tensor, NDManager manager) {
        if (!(manager instanceof PtNDManager)) {
            throw new IllegalArgumentException("The manager should be one of DJL's PyTorch engine, found "
                    + manager.getEngine().getEngineName());
        }
        PtNDArray array = copy(tensor);
        array.attach(manager);
        return array;
    }

    private static PtNDArray copy(Tensor tensor) {
        PyTorchHandle handle = handle(tensor);
        if (tensor.dtype() == DType.BFLOAT16) {
            throw new IllegalArgumentException("DJL has no bfloat16, which this tensor is: " + tensor.describe()
                    + ". Convert it first: to(DType.FLOAT32), in which every bfloat16 is exact");
        }
        boolean gradients = Torch.enter();
        PtNDArray array = handle.acquire();
        try {
            return Torch.copy(array);
        } finally {
            handle.release();
            Torch.leave(gradients);
            Reference.reachabilityFence(tensor);
        }
    }

    /**
     * A copy of DJL's array as a tensor, on the (first) device of the backend.
     *
     * @param backend of the id {@code pytorch}: {@code model.backend()}
     * @throws IllegalArgumentException if the array is not of DJL's PyTorch engine, or the backend not {@code pytorch}
     * @throws UnsupportedOperationException if Loupe doesn't have the array's data type
     */
    public static Tensor fromNDArray(NDArray array, Backend backend) {
        if (!(array instanceof PtNDArray own) || own.isSparse()) {
            throw new IllegalArgumentException("The array should be a dense one of DJL's PyTorch engine, found "
                    + array.getManager().getEngine().getEngineName() + ", " + array.getSparseFormat());
        }
        TorchTypes.fromTorch(own.getDataType());
        return Tensor.wrap(backend, stage(backend).adopt(own));
    }

    /**
     * A matrix taken apart into {@code u · diag(s) · vh}, or each of a stack of them.
     *
     * @param u {@code [..., rows, k]}, columns orthonormal; k is the smaller of rows and columns
     * @param s {@code [..., k]}, not negative, the largest first
     * @param vh {@code [..., k, columns]}, rows orthonormal
     */
    public record Svd(Tensor u, Tensor s, Tensor vh) implements AutoCloseable {

        /** Frees all three. */
        @Override
        public void close() {
            u.close();
            s.close();
            vh.close();
        }
    }

    /**
     * The thin singular value decomposition, by libtorch on the tensor's device and in its data type.
     *
     * <p>There is none among Loupe's operations: the analyses that need one are done in float64 in Java, the same on
     * every backend. This is for who has large matrices on a GPU.
     *
     * @param matrices {@code [..., rows, columns]} of float32 or float64, on the backend {@code pytorch}
     * @throws IllegalArgumentException if it is something else
     * @throws IllegalStateException if the tensor is closed, or libtorch finds no decomposition (of a NaN there is
     *     none)
     */
    public static Svd svd(Tensor matrices) {
        boolean fits = matrices.rank() >= 2 && (matrices.dtype() == DType.FLOAT32 || matrices.dtype() == DType.FLOAT64);
        if (!fits) {
            throw new IllegalArgumentException(
                    "svd needs a matrix or a stack of them in float32 or float64, this is " + matrices.describe());
        }
        PyTorchHandle handle = handle(matrices);
        boolean gradients = Torch.enter();
        PtNDArray array = handle.acquire();
        try {
            List<Tensor> factors = handle.on().callForSeveral("svd", array).stream()
                    .map(factor -> Tensor.wrap(matrices.backend(), PyTorchHandle.owning(handle.on(), factor, 0)))
                    .toList();
            return new Svd(factors.get(0), factors.get(1), factors.get(2));
        } catch (EngineException e) {
            throw Failures.decomposing(handle.on(), matrices, e);
        } finally {
            handle.release();
            Torch.leave(gradients);
            Reference.reachabilityFence(matrices);
        }
    }

    private static PyTorchHandle handle(Tensor tensor) {
        if (tensor.handle() instanceof PyTorchHandle handle) {
            return handle;
        }
        throw new IllegalArgumentException("Only tensors of the backend 'pytorch' are DJL's arrays, this is "
                + tensor.describe() + "; move it with to(backend) first");
    }

    private static PyTorchBackend stage(Backend backend) {
        if (backend instanceof PyTorchBackend one) {
            return one;
        } else if (backend instanceof PipelinedBackend several) {
            return several.first();
        }
        throw new IllegalArgumentException("The backend should be 'pytorch', found '" + backend.id() + "'");
    }
}
