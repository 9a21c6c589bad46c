package dev.loupe.backend.onnx.execution;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Placement;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.onnx.host.Bounds;
import dev.loupe.backend.onnx.host.EmptyTensors;
import dev.loupe.backend.onnx.host.HostOps;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.runtime.OnnxSession;
import dev.loupe.backend.onnx.stage.Stage;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Runs operations one by one: changes of sizes share the memory, movements are done in Java, everything else by a
 * session that holds one operation and serves tensors of any size.
 */
final class OneOp implements AutoCloseable {

    private static final int SESSIONS_KEPT = 256;

    private final OnnxBackend backend;
    private final ReferenceCountedCache<Key, OnnxSession> sessions =
            new ReferenceCountedCache<>(SESSIONS_KEPT, OnnxSession::close);

    // Data type and rank of each input in turn.
    private record Key(Op op, List<Object> kinds) {}

    OneOp(OnnxBackend backend) {
        this.backend = backend;
    }

    /** Runs an operation; what it reads stays although its owner closes it meanwhile. */
    List<TensorHandle> execute(Op op, List<OnnxHandle> in) {
        int held = 0;
        try {
            for (; held < in.size(); held++) {
                in.get(held).retain();
            }
            return executeHeld(op, in);
        } finally {
            in.subList(0, held).forEach(OnnxHandle::release);
        }
    }

    private List<TensorHandle> executeHeld(Op op, List<OnnxHandle> in) {
        List<TensorType> types = new ArrayList<>(in.size());
        for (OnnxHandle x : in) {
            types.add(TensorType.of(x.dtype(), x.shape()));
        }
        List<TensorType> out = op.infer(types);
        backend.refuseStorageTypes(op, types, out, "");
        if (op.reshapes()) {
            return List.of(in.get(0).view(out.get(0).shape()));
        } else if (op.isComposite() && !Lowering.has(op) && !HostOps.moves(op)) {
            return stepByStep(op, types, in);
        }
        if (op.indexedAxis() >= 0) {
            Bounds.check(op, in.get(1).inPlace(), in.get(0).shape().size(op.indexedAxis()));
        }
        List<OnnxHandle> results = new ArrayList<>();
        try {
            for (TensorType type : out) {
                results.add(OnnxHandle.allocate(backend.runtime(), type.dtype(), type.shape()));
            }
            compute(op, in, results);
            return List.copyOf(results);
        } catch (RuntimeException | Error e) {
            results.forEach(OnnxHandle::close);
            throw e;
        }
    }

    private void compute(Op op, List<OnnxHandle> in, List<OnnxHandle> out) {
        boolean onHost = HostOps.moves(op) || HostOps.computes(op, in.get(0).dtype());
        if (anyIsEmpty(in) || anyIsEmpty(out)) {
            if (onHost && HostOps.moves(op)) {
                HostOps.compute(op, host(in), host(out));
            } else {
                EmptyTensors.compute(op, host(in), host(out));
            }
        } else if (onHost) {
            HostOps.compute(op, host(in), host(out));
        } else {
            run(op, in, out);
        }
    }

    private static boolean anyIsEmpty(List<OnnxHandle> handles) {
        for (OnnxHandle handle : handles) {
            if (handle.shape().elements() == 0) {
                return true;
            }
        }
        return false;
    }

    private static List<HostTensor> host(List<OnnxHandle> handles) {
        return handles.stream().map(OnnxHandle::inPlace).toList();
    }

    private void run(Op op, List<OnnxHandle> in, List<OnnxHandle> out) {
        List<Object> kinds = new ArrayList<>(2 * in.size());
        for (OnnxHandle x : in) {
            kinds.add(x.dtype());
            kinds.add(x.shape().rank());
        }
        try (ReferenceCountedCache.Lease<OnnxSession> lease =
                sessions.acquire(new Key(op, kinds), key -> load(op, in, out))) {
            OnnxSession session = lease.value();
            Map<String, OnnxHandle> results = new HashMap<>();
            for (int i = 0; i < out.size(); i++) {
                results.put(session.outputs().get(i), out.get(i));
            }
            session.run(in, results);
        }
    }

    private OnnxSession load(Op op, List<OnnxHandle> in, List<OnnxHandle> out) {
        Segment.Step step = step(op, in.size(), out.size());
        List<TensorType> types = new ArrayList<>();
        in.forEach(x -> types.add(ofAnySize(x, types.size())));
        out.forEach(x -> types.add(ofAnySize(x, types.size())));
        Segment segment = new Segment(
                "", Placement.ANYWHERE, false, types, step.inputs(), List.of(), List.of(step), step.outputs());
        Stage.Group group = new Stage.Group(step.inputs(), step.outputs(), List.of(step));
        return new OnnxSession(
                backend.runtime(),
                Stages.model(
                        segment, group, Map.of(), Stages.Way.PLAIN, step.op().name()),
                backend.on().firstGpu());
    }

    private static Segment.Step step(Op op, int inputs, int outputs) {
        return new Segment.Step(
                op,
                IntStream.range(0, inputs).boxed().toList(),
                IntStream.range(inputs, inputs + outputs).boxed().toList());
    }

    private static TensorType ofAnySize(OnnxHandle handle, int number) {
        Dim[] dims = new Dim[handle.shape().rank()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = Dim.symbol("size" + number + "_" + i);
        }
        return TensorType.of(handle.dtype(), dims);
    }

    private List<TensorHandle> stepByStep(Op op, List<TensorType> types, List<OnnxHandle> in) {
        Segment segment =
                Segments.decompose(Segments.ofOneOp(op, types), part -> Lowering.has(part) || HostOps.moves(part));
        try (Slots slots = new Slots(new OnnxHandle[segment.types().size()])) {
            for (int i = 0; i < in.size(); i++) {
                slots.lend(i, in.get(i));
            }
            for (Segment.Step step : segment.steps()) {
                List<TensorHandle> results = execute(step.op(), slots.get(step.inputs()));
                for (int i = 0; i < results.size(); i++) {
                    slots.put(step.outputs().get(i), (OnnxHandle) results.get(i));
                }
            }
            return slots.take(segment.outputs());
        }
    }

    @Override
    public void close() {
        sessions.close();
    }
}
