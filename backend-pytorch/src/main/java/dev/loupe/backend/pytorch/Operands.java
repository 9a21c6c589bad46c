package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;

/** What an op reads, and the device it runs on. */
@SuppressWarnings("ArrayRecordComponent") // nobody compares them
record Operands(TorchDevice on, PtNDArray[] in) {

    PtNDArray in(int index) {
        return in[index];
    }

    /** The sizes of an operand. */
    long[] sizes(int index) {
        return in[index].getShape().getShape();
    }
}
