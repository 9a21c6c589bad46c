package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;

/** A mutant's tensor: numbers in host memory, which a fault may change or lose. */
final class MutantHandle implements TensorHandle {

    private HostTensor data;
    private boolean closed;
    /** Whether a prepared graph gave this out. */
    final boolean fromGraph;

    MutantHandle(HostTensor data, boolean fromGraph) {
        this.data = data;
        this.fromGraph = fromGraph;
    }

    static MutantHandle of(TensorHandle handle) {
        return (MutantHandle) handle;
    }

    HostTensor data() {
        if (closed) {
            throw new IllegalStateException("a mutant's tensor is used after it was closed");
        }
        return data;
    }

    /** Puts zeros in the place of the numbers. */
    void clear() {
        data = HostTensor.allocate(data.dtype(), data.shape());
    }

    void overwrite(HostTensor other) {
        data = other;
    }

    @Override
    public DType dtype() {
        return data.dtype();
    }

    @Override
    public Shape shape() {
        return data.shape();
    }

    @Override
    public long nativeBytes() {
        return 0;
    }

    @Override
    public String device() {
        return "cpu";
    }

    @Override
    public void close() {
        if (closed) {
            throw new IllegalStateException("a mutant's tensor is closed twice");
        }
        closed = true;
    }
}
