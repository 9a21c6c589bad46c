package dev.loupe.backend.reference;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;

/** A test that runs ops on the backend through its public interface. */
abstract class OpTest {

    private final Backend backend = open(0);

    static Backend open(int threads) {
        return new ReferenceBackendProvider().open(BackendOptions.DEFAULT.withThreads(threads));
    }

    @AfterEach
    void closeBackend() {
        backend.close();
    }

    Backend backend() {
        return backend;
    }

    /** The only output of an op. */
    HostTensor run(Op op, HostTensor... inputs) {
        return runAll(backend, op, inputs).get(0);
    }

    static List<HostTensor> runAll(Backend backend, Op op, HostTensor... inputs) {
        List<TensorHandle> handles = upload(backend, inputs);
        List<TensorHandle> results = backend.execute(op, handles);
        List<HostTensor> outputs = new ArrayList<>();
        for (TensorHandle result : results) {
            outputs.add(backend.download(result));
            result.close();
        }
        handles.forEach(TensorHandle::close);
        return outputs;
    }

    static List<TensorHandle> upload(Backend backend, HostTensor... tensors) {
        List<TensorHandle> handles = new ArrayList<>();
        for (HostTensor tensor : tensors) {
            handles.add(backend.upload(tensor, Placement.ANYWHERE));
        }
        return handles;
    }
}
