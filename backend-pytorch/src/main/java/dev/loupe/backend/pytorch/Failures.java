package dev.loupe.backend.pytorch;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.Locale;

/** Says what libtorch's errors mean: what was asked, what happened, what to do. */
final class Failures {

    private Failures() {}

    static RuntimeException computing(TorchDevice device, Op op, List<TensorHandle> inputs, EngineException e) {
        String what = op + " of " + inputs + " on " + device.name();
        // On a GPU they have been looked at beforehand.
        RuntimeException outOfRange = device.isCpu() ? Indices.outOfRange(device, op, inputs) : null;
        return outOfRange != null ? outOfRange : explain(what, e);
    }

    static RuntimeException computing(
            TorchDevice device, String function, List<TensorHandle> inputs, EngineException e) {
        return explain(function + " of " + inputs + " on " + device.name(), e);
    }

    static RuntimeException uploading(TorchDevice device, HostTensor data, EngineException e) {
        return explain("a tensor " + data.dtype() + " " + data.shape() + " on " + device.name(), e);
    }

    static RuntimeException receiving(TorchDevice device, PtNDArray array, EngineException e) {
        return explain("a copy of " + TorchTypes.of(array) + " " + array.getShape() + " on " + device.name(), e);
    }

    static RuntimeException decomposing(TorchDevice device, Tensor matrices, EngineException e) {
        return explain("svd of " + matrices.dtype() + " " + matrices.shape() + " on " + device.name(), e);
    }

    static boolean isForWantOfMemory(EngineException e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("out of memory")
                || message.contains("not enough memory")
                || message.contains("can't allocate memory")
                || message.contains("status_alloc_failed"); // cuBLAS, for its own
    }

    private static RuntimeException explain(String what, EngineException e) {
        String message = String.valueOf(e.getMessage());
        if (isForWantOfMemory(e)) {
            return new OutOfTensorMemoryException(
                    "Out of memory for " + what + ": " + firstLine(message)
                            + ". Nothing was lost: close tensors that aren't needed, or run fewer or shorter"
                            + " sequences at once",
                    e);
        }
        return new IllegalStateException("libtorch failed in " + what + ": " + firstLine(message), e);
    }

    private static String firstLine(String message) {
        int end = message.indexOf('\n');
        return (end < 0 ? message : message.substring(0, end)).strip();
    }
}
