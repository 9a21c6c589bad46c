package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import java.nio.ByteBuffer;

/**
 * Data in and out. It is copied once, never shared: an array over Java's memory reads whatever comes to lie there as
 * soon as a view of it outlives the buffer, and a buffer over an array's memory ends the process once the array is
 * freed.
 */
final class Transfer {

    /** From this many bytes on, what is read out goes to direct memory instead of the Java heap. */
    private static final long LARGE = 1 << 20;

    private Transfer() {}

    static PtNDArray upload(TorchDevice device, HostTensor data, DataType type) {
        PtNDArray array = filled(device.host(), data, type);
        if (device.isCpu()) {
            return array;
        }
        try (array) {
            return Torch.move(array, device.manager());
        }
    }

    private static PtNDArray filled(PtNDManager host, HostTensor data, DataType type) {
        PtNDArray array =
                host.create(new ai.djl.ndarray.types.Shape(data.shape().toArray()), type);
        boolean done = false;
        try {
            Torch.fill(array, data.data().duplicate().clear());
            done = true;
            return array;
        } finally {
            if (!done) {
                array.close();
            }
        }
    }

    static HostTensor download(TorchDevice device, PtNDArray array, DType dtype, Shape shape) {
        int bytes = HostTensor.byteSize(dtype, shape);
        ByteBuffer into = bytes < LARGE ? ByteBuffer.allocate(bytes) : ByteBuffer.allocateDirect(bytes);
        if (device.isCpu()) {
            Torch.read(array, into);
        } else {
            try (PtNDArray staged = Torch.move(array, device.host())) {
                Torch.read(staged, into);
            }
        }
        return new HostTensor(dtype, shape, into.clear());
    }
}
