package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * Data in and out. It is copied once, never shared: an array over Java's memory reads whatever comes to lie there as
 * soon as a view of it outlives the buffer, and a buffer over an array's memory ends the process once the array is
 * freed.
 */
final class Transfer {

    /** From this many bytes on, what is read out goes to direct memory instead of the Java heap. */
    private static final long LARGE = 1 << 20;

    private Transfer() {}

    static PtNDArray upload(TorchDevice device, HostTensor data, boolean columnsInRows) {
        device.countUpload();
        if (columnsInRows && data.parts().size() == 1) {
            return uploadFactor(device, data);
        }
        PtNDArray array = device.isCpu()
                ? filled(
                        data,
                        device.empty(device.host(), data.dtype(), data.shape().toArray()))
                : send(device, data);
        if (!columnsInRows) {
            return array;
        }
        try (PtNDArray rows = array) {
            return device.call("columns_in_a_row", rows);
        }
    }

    // Whoever sends doesn't wait until the device has come so far: what it has to do before needn't be done.
    private static PtNDArray send(TorchDevice device, HostTensor data) {
        DType carried = data.dtype() == DType.BFLOAT16 ? DType.FLOAT16 : data.dtype();
        PtNDArray there = device.scalar(carried, 0);
        try (PtNDArray here =
                filled(data, device.empty(device.host(), carried, data.shape().toArray()))) {
            PtNDArray sent = device.call("sent", there, here);
            if (data.dtype() != DType.BFLOAT16) {
                return sent;
            }
            try (PtNDArray bits = sent) {
                return device.call("bits_as_bfloat16", bits);
            }
        }
    }

    /**
     * A matrix on the CPU, with its columns in rows: by way of memory that serves one after the other, since fresh memory
     * for each, given back at once, leaves holes that nothing fits into.
     */
    private static PtNDArray uploadFactor(TorchDevice device, HostTensor data) {
        long elements = data.shape().elements();
        return device.staged(data.dtype(), elements, staging -> {
            Torch.fill(staging, data.parts().get(0).duplicate().clear());
            try (PtNDArray part = Torch.slice(staging, 0, 0, elements, 1);
                    PtNDArray matrix = Torch.reshape(part, data.shape().toArray())) {
                return device.call("columns_in_a_row", matrix);
            }
        });
    }

    /** A copy on a device of an array from anywhere. */
    static PtNDArray copy(TorchDevice device, PtNDArray array) {
        device.countCopy();
        if (!device.isCpu()) {
            return device.call("sent", device.scalar(TorchTypes.of(array), 0), array);
        }
        if (!TorchTypes.isBfloat16(array)) {
            return Torch.move(array, device.manager());
        }
        try (PtNDArray bits = device.call("bits_as_float16", array);
                PtNDArray moved = Torch.move(bits, device.manager())) {
            return device.call("bits_as_bfloat16", moved);
        }
    }

    private static PtNDArray filled(HostTensor data, PtNDArray array) {
        boolean done = false;
        try {
            List<ByteBuffer> parts = data.parts();
            if (parts.size() == 1) {
                Torch.fill(array, parts.get(0).duplicate().clear());
            } else {
                inParts(
                        array,
                        data,
                        (some, part) -> Torch.fill(some, part.duplicate().clear()));
            }
            done = true;
            return array;
        } finally {
            if (!done) {
                array.close();
            }
        }
    }

    static HostTensor download(TorchDevice device, PtNDArray array, DType dtype, Shape shape) {
        device.countDownload(shape.elements() * dtype.bytes());
        HostTensor into = shape.elements() * dtype.bytes() < LARGE
                ? HostTensor.allocateHeap(dtype, shape)
                : HostTensor.allocate(dtype, shape);
        if (dtype == DType.BFLOAT16 && !device.isCpu()) {
            try (PtNDArray bits = device.call("bits_as_float16", array)) {
                read(device, bits, into);
            }
        } else {
            read(device, array, into);
        }
        return into;
    }

    private static void read(TorchDevice device, PtNDArray array, HostTensor into) {
        if (device.isCpu()) {
            read(array, into);
        } else {
            try (PtNDArray staged = Torch.move(array, device.host())) {
                read(staged, into);
            }
        }
    }

    private static void read(PtNDArray array, HostTensor into) {
        List<ByteBuffer> parts = into.parts();
        if (parts.size() == 1) {
            Torch.read(array, parts.get(0).duplicate());
        } else {
            inParts(array, into, (some, part) -> Torch.read(some, part.duplicate()));
        }
    }

    /** Goes through an array in the parts in which a tensor lies on the other side: buffers end at 2 GiB. */
    private static void inParts(PtNDArray array, HostTensor other, BiConsumer<PtNDArray, ByteBuffer> each) {
        try (PtNDArray flat = Torch.reshape(array, other.shape().elements())) {
            long at = 0;
            for (ByteBuffer part : other.parts()) {
                long end = at + part.capacity() / other.dtype().bytes();
                try (PtNDArray some = Torch.slice(flat, 0, at, end, 1)) {
                    each.accept(some, part);
                }
                at = end;
            }
        }
    }
}
