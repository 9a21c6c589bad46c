package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Operands of 16 bits in float32, for an op that {@link SixteenBits} has computed so; the result is rounded once. */
final class Widened implements AutoCloseable {

    private final TorchDevice device;
    private final PtNDArray[] operands;
    private final List<PtNDArray> widened = new ArrayList<>();
    private @Nullable DType narrow;

    Widened(TorchDevice device, SixteenBits rules, Op op, List<TensorHandle> inputs, PtNDArray[] operands) {
        this.device = device;
        this.operands = operands.clone();
        try {
            for (int i = 0; i < operands.length; i++) {
                DType type = inputs.get(i).dtype();
                if (rules.widens(op, type)) {
                    narrow = type;
                    this.operands[i] = TorchTypes.asIs(device, operands[i], DType.FLOAT32);
                    widened.add(this.operands[i]);
                }
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Whether there was nothing to widen. */
    boolean isAsItWas() {
        return narrow == null;
    }

    PtNDArray[] operands() {
        return operands;
    }

    /** Rounds a result, which is closed. */
    PtNDArray narrow(PtNDArray result) {
        if (narrow == null || result.getDataType() != DataType.FLOAT32) {
            return result;
        }
        try (result) {
            return TorchTypes.cast(device, result, narrow);
        }
    }

    @Override
    public void close() {
        widened.forEach(PtNDArray::close);
    }
}
