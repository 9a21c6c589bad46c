package dev.loupe.backend.pytorch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.loupe.spi.Backend;
import dev.loupe.tensor.Tensor;
import java.lang.ref.Reference;

/**
 * Carries tensors over to DJL and back, on the device where they lie.
 *
 * <p>Both ways make a copy: DJL's arrays can be written to and Loupe's tensors can't, and an array that DJL made
 * from a Java array reads memory that may be gone when the array isn't.
 */
public final class PyTorchTensors {

    private PyTorchTensors() {}

    /**
     * A copy of a tensor as DJL's array, which no manager looks after: whoever calls closes it, or attaches it.
     *
     * @throws IllegalArgumentException if the tensor is not on the backend {@code pytorch}
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
     * @throws IllegalArgumentException if the tensor is not on the backend {@code pytorch}, or the manager is not one
     *     of DJL's PyTorch engine
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
        if (!(tensor.handle() instanceof PyTorchHandle handle)) {
            throw new IllegalArgumentException("Only tensors of the backend 'pytorch' are DJL's arrays, this is "
                    + tensor.describe() + "; move it with to(backend) first");
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

    private static PyTorchBackend stage(Backend backend) {
        if (backend instanceof PyTorchBackend one) {
            return one;
        } else if (backend instanceof PipelinedBackend several) {
            return several.first();
        }
        throw new IllegalArgumentException("The backend should be 'pytorch', found '" + backend.id() + "'");
    }
}
