package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import java.util.ArrayList;
import java.util.List;

/**
 * float16 on a CPU, where libtorch has few functions for it and those are some eighty times slower than in float32:
 * operands are widened, and the result is rounded once.
 */
final class Halves implements AutoCloseable {

    private final PtNDArray[] operands;
    private final List<PtNDArray> widened = new ArrayList<>();

    /** Widens those operands that are float16. */
    Halves(PtNDArray[] operands) {
        this.operands = operands.clone();
        try {
            for (int i = 0; i < operands.length; i++) {
                if (operands[i].getDataType() == DataType.FLOAT16) {
                    this.operands[i] = Torch.cast(operands[i], DataType.FLOAT32);
                    widened.add(this.operands[i]);
                }
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    PtNDArray[] operands() {
        return operands;
    }

    /** Rounds a result, which is closed. */
    PtNDArray narrow(PtNDArray result) {
        if (widened.isEmpty() || result.getDataType() != DataType.FLOAT32) {
            return result;
        }
        try (result) {
            return Torch.cast(result, DataType.FLOAT16);
        }
    }

    @Override
    public void close() {
        widened.forEach(PtNDArray::close);
    }
}
