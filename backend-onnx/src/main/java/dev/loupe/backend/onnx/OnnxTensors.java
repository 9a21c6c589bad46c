package dev.loupe.backend.onnx;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.onnxruntime.engine.OrtNDArray;
import ai.djl.onnxruntime.engine.OrtNDManager;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apiguardian.api.API;

/**
 * Carries tensors over to DJL's ONNX Runtime engine and back: for feeding an activation to a model that DJL runs, or
 * what such a model gives to a run of Loupe. Both ways make a copy in main memory, so that neither side depends on how
 * long the other keeps its own.
 *
 * <p>A process has one environment of ONNX Runtime, which DJL and Loupe share, and DJL's engine insists on making it: it
 * can't be started once Loupe's backend is open. So start DJL first, with {@code Engine.getEngine("OnnxRuntime")}. Loupe
 * takes the environment as it finds it; each of its sessions then keeps threads of its own instead of sharing a pool.
 * Nothing here starts DJL.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class OnnxTensors {

    private OnnxTensors() {}

    /**
     * A copy of a tensor as DJL's array, attached to a manager, which closes it. Every data type goes over.
     *
     * @param tensor on any backend
     * @throws IllegalArgumentException if the manager is not one of DJL's ONNX Runtime engine, or the tensor is over
     *     2 GiB, which is more than DJL can take
     * @throws IllegalStateException if the tensor is closed
     */
    public static NDArray toNDArray(Tensor tensor, NDManager manager) {
        if (!(manager instanceof OrtNDManager)) {
            throw new IllegalArgumentException("The manager should be one of DJL's ONNX Runtime engine, found "
                    + manager.getClass().getName());
        }
        HostTensor host = tensor.toHost();
        int bytes = HostTensor.byteSize(host.dtype(), host.shape());
        ByteBuffer copy = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
        copy.put(0, host.data(), 0, bytes);
        return manager.create(copy, new Shape(host.shape().toArray()), toDjl(host.dtype()));
    }

    /**
     * A copy of DJL's array as a tensor.
     *
     * @param backend where the tensor is to be: {@code model.backend()}
     * @throws IllegalArgumentException if the array is not of DJL's ONNX Runtime engine
     * @throws IllegalStateException if the array is closed
     * @throws UnsupportedOperationException if Loupe or the backend doesn't have the array's data type
     */
    public static Tensor fromNDArray(NDArray array, Backend backend) {
        if (!(array instanceof OrtNDArray own)) {
            throw new IllegalArgumentException("The array should be one of DJL's ONNX Runtime engine, found "
                    + array.getClass().getName());
        }
        if (own.isReleased()) {
            throw new IllegalStateException("DJL's array was closed, so there is nothing to copy");
        }
        DType dtype = fromDjl(own.getDataType());
        var shape = dev.loupe.array.Shape.of(own.getShape().getShape());
        HostTensor host = HostTensor.allocate(dtype, shape);
        host.data().put(0, own.toByteBuffer(), 0, host.data().capacity());
        return new TensorFactory(backend).of(host);
    }

    private static DataType toDjl(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> DataType.FLOAT32;
            case FLOAT64 -> DataType.FLOAT64;
            case FLOAT16 -> DataType.FLOAT16;
            case BFLOAT16 -> DataType.BFLOAT16;
            case INT64 -> DataType.INT64;
            case INT32 -> DataType.INT32;
            case BOOL -> DataType.BOOLEAN;
        };
    }

    private static DType fromDjl(DataType type) {
        return switch (type) {
            case FLOAT32 -> DType.FLOAT32;
            case FLOAT64 -> DType.FLOAT64;
            case FLOAT16 -> DType.FLOAT16;
            case BFLOAT16 -> DType.BFLOAT16;
            case INT64 -> DType.INT64;
            case INT32 -> DType.INT32;
            case BOOLEAN -> DType.BOOL;
            default ->
                throw new UnsupportedOperationException("Loupe doesn't have DJL's type " + type.name()
                        + "; it has float32, float64, float16, bfloat16, int64, int32 and bool. Convert first");
        };
    }
}
