package dev.loupe.backend.pytorch;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;

/**
 * libtorch on several devices, over which a model's regions are spread in order. A segment runs where its region
 * lives; what it reads from elsewhere is copied there. So is what an operation on its own needs: it runs where its
 * first operand lies.
 */
final class PipelinedBackend implements Backend {

    private final List<PyTorchBackend> stages;

    PipelinedBackend(List<PyTorchBackend> stages) {
        this.stages = List.copyOf(stages);
    }

    @Override
    public String id() {
        return PyTorchBackend.ID;
    }

    /** The first of the devices. */
    @Override
    public String device() {
        return stages.get(0).device();
    }

    @Override
    public long memoryBytes() {
        return stages.stream().mapToLong(PyTorchBackend::memoryBytes).sum();
    }

    @Override
    public Capabilities capabilities() {
        return stages.get(0).capabilities();
    }

    @Override
    public boolean compiles() {
        return false;
    }

    PyTorchBackend first() {
        return stages.get(0);
    }

    private PyTorchBackend stage(Placement placement) {
        return stages.get((int) ((long) placement.region() * stages.size() / placement.regions()));
    }

    private PyTorchBackend stageOf(TensorHandle handle) {
        TorchDevice device = ((PyTorchHandle) handle).on();
        for (PyTorchBackend stage : stages) {
            if (stage.isOn(device)) {
                return stage;
            }
        }
        throw new IllegalArgumentException("A tensor on " + device.name() + " belongs to another backend");
    }

    @Override
    public boolean keepsUploads() {
        return false;
    }

    @Override
    public TensorHandle upload(HostTensor data, Placement placement) {
        return stage(placement).upload(data, placement);
    }

    @Override
    public HostTensor download(TensorHandle handle) {
        return stageOf(handle).download(handle);
    }

    @Override
    public List<TensorHandle> execute(Op op, List<TensorHandle> inputs) {
        PyTorchBackend stage = inputs.isEmpty() ? stages.get(0) : stageOf(inputs.get(0));
        try (Moved moved = new Moved(stage)) {
            return stage.execute(op, moved.all(inputs));
        }
    }

    @Override
    public List<TensorHandle> execute(Op op, List<TensorHandle> inputs, List<TensorType> outputs) {
        return PyTorchHandle.areOf(outputs, execute(op, inputs));
    }

    @Override
    public PreparedGraph prepare(Segment segment, WeightSource weights) {
        PyTorchBackend stage = stage(segment.placement());
        Moved movedWeights = new Moved(stage);
        try {
            PreparedGraph graph = stage.prepare(segment, name -> movedWeights.one(weights.weight(name)));
            return new OnStage(stage, graph, movedWeights);
        } catch (RuntimeException | Error e) {
            movedWeights.close();
            throw e;
        }
    }

    @Override
    public void close() {
        stages.forEach(PyTorchBackend::close);
    }

    /** Copies on one device of handles that lie on others. */
    private static final class Moved implements AutoCloseable {

        private final PyTorchBackend stage;
        private final List<TensorHandle> copies = new ArrayList<>();

        Moved(PyTorchBackend stage) {
            this.stage = stage;
        }

        List<TensorHandle> all(List<TensorHandle> handles) {
            List<TensorHandle> here = new ArrayList<>(handles.size());
            for (TensorHandle handle : handles) {
                here.add(one(handle));
            }
            return here;
        }

        TensorHandle one(TensorHandle handle) {
            if (stage.isOn(((PyTorchHandle) handle).on())) {
                return handle;
            }
            TensorHandle copy = stage.receive((PyTorchHandle) handle);
            copies.add(copy);
            return copy;
        }

        @Override
        public void close() {
            copies.forEach(TensorHandle::close);
        }
    }

    /** A segment that runs on one of the devices. */
    private record OnStage(PyTorchBackend stage, PreparedGraph graph, Moved weights) implements PreparedGraph {

        @Override
        public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
            try (Moved moved = new Moved(stage)) {
                return graph.run(moved.all(inputs), wanted);
            }
        }

        @Override
        public void close() {
            graph.close();
            weights.close();
        }
    }
}
