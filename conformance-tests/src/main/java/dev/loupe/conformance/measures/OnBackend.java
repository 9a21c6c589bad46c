package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/** Brings host data to a backend, has something computed, and takes the results back; closes every handle once. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnBackend {

    private OnBackend() {}

    /** Runs an op on its own. */
    public static List<HostTensor> execute(Backend backend, Op op, List<HostTensor> inputs) {
        try (Handles handles = new Handles(backend)) {
            return handles.download(handles.adopt(backend.execute(op, handles.upload(inputs))));
        }
    }

    /** Prepares a segment without weights and runs it, with all outputs wanted. */
    public static List<HostTensor> prepareAndRun(Backend backend, Segment segment, List<HostTensor> inputs) {
        try (PreparedGraph graph = backend.prepare(segment, Segments.NO_WEIGHTS)) {
            return run(backend, graph, inputs, segment.outputs());
        }
    }

    /** Runs a prepared graph. */
    public static List<HostTensor> run(
            Backend backend, PreparedGraph graph, List<HostTensor> inputs, List<Integer> wanted) {
        try (Handles handles = new Handles(backend)) {
            return handles.download(handles.adopt(graph.run(handles.upload(inputs), wanted)));
        }
    }

    /**
     * Throws unless results have the number, types and shapes that the op promises.
     *
     * @throws AssertionError naming the output, what it is and what it should be
     */
    public static void checkTypes(OpCase one, List<HostTensor> found) {
        checkTypes(one.op().toString(), one.op().infer(one.inputTypes()), found);
    }

    /** As above, for types without symbols. */
    public static void checkTypes(String what, List<TensorType> promised, List<HostTensor> found) {
        if (found.size() != promised.size()) {
            throw new AssertionError(what + " gave " + found.size() + " outputs, expected " + promised.size());
        }
        for (int i = 0; i < promised.size(); i++) {
            TensorType got = TensorType.of(found.get(i).dtype(), found.get(i).shape());
            if (!got.equals(promised.get(i))) {
                throw new AssertionError(
                        "output " + i + " of " + what + " is " + got + ", expected " + promised.get(i));
            }
        }
    }

    /** What the symbols in some types are, given the shapes that were fed for them. */
    public static Map<String, Long> symbols(List<TensorType> types, List<HostTensor> fed) {
        Map<String, Long> values = new HashMap<>();
        for (int i = 0; i < types.size(); i++) {
            Shape shape = fed.get(i).shape();
            for (int axis = 0; axis < shape.rank(); axis++) {
                String symbol = types.get(i).dim(axis).soleSymbol();
                if (!symbol.isEmpty()) {
                    values.put(symbol, shape.size(axis));
                }
            }
        }
        return values;
    }

    /** Handles that are closed together, in the reverse order. */
    public static final class Handles implements AutoCloseable {
        private final Backend backend;
        private final List<TensorHandle> open = new ArrayList<>();

        public Handles(Backend backend) {
            this.backend = backend;
        }

        /** Uploads one tensor. */
        public TensorHandle upload(HostTensor data) {
            TensorHandle handle = backend.upload(data, Placement.ANYWHERE);
            open.add(handle);
            return handle;
        }

        /** Uploads some. */
        public List<TensorHandle> upload(List<HostTensor> data) {
            List<TensorHandle> handles = new ArrayList<>();
            data.forEach(one -> handles.add(upload(one)));
            return handles;
        }

        /** Takes over results. */
        public List<TensorHandle> adopt(List<TensorHandle> results) {
            for (TensorHandle result : results) {
                if (open.stream().anyMatch(known -> known == result)) {
                    throw new AssertionError("a result is the same handle as an input or as another result ("
                            + result.dtype() + " " + result.shape() + "): it would be closed twice");
                }
                open.add(result);
            }
            return results;
        }

        /** Reads out some. */
        public List<HostTensor> download(List<TensorHandle> handles) {
            return handles.stream().map(this::download).toList();
        }

        /** Reads out one, which must be what its handle says. */
        public HostTensor download(TensorHandle handle) {
            HostTensor data = backend.download(handle);
            if (data.dtype() != handle.dtype() || !data.shape().equals(handle.shape())) {
                throw new AssertionError("a handle says " + handle.dtype() + " " + handle.shape() + " and holds "
                        + data.dtype() + " " + data.shape());
            }
            return data;
        }

        /** Closes one now. */
        public void close(TensorHandle handle) {
            open.removeIf(known -> known == handle);
            handle.close();
        }

        @Override
        public void close() {
            for (int i = open.size() - 1; i >= 0; i--) {
                open.get(i).close();
            }
            open.clear();
        }
    }
}
