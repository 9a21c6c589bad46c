package dev.loupe.backend.onnx.execution;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.runtime.Device;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.runtime.OnnxRuntime;
import dev.loupe.backend.onnx.runtime.OnnxSession;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/** ONNX Runtime behind the backend interface. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxBackend implements Backend {

    /** What the backend is called. */
    public static final String ID = "onnx";

    private final Set<DType> computed;
    private final Device device;
    private final OnnxRuntime runtime;

    /** Sessions that several graphs use, each as long as one of them does. */
    private final ReferenceCountedCache<Object, OnnxSession> sessions =
            new ReferenceCountedCache<>(0, OnnxSession::close);

    private final OneOp oneOp = new OneOp(this);

    /** A backend on a runtime, which it closes with itself. */
    public OnnxBackend(Device device, OnnxRuntime runtime) {
        this.device = device;
        this.runtime = runtime;
        this.computed = EnumSet.of(DType.FLOAT32, DType.FLOAT64);
        if (!device.isGpu()) {
            computed.add(DType.FLOAT16);
        }
    }

    OnnxRuntime runtime() {
        return runtime;
    }

    ReferenceCountedCache<Object, OnnxSession> sessions() {
        return sessions;
    }

    Device on() {
        return device;
    }

    /**
     * Whether products with weights are sessions of their own. On a GPU they aren't: there, what passes between
     * sessions goes through main memory.
     */
    boolean splitsProducts() {
        return !device.isGpu();
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public String device() {
        return device.name();
    }

    @Override
    public long memoryLimit() {
        return OnnxRuntime.mostDirectMemory();
    }

    @Override
    public Capabilities capabilities() {
        // The runtime's 16-bit functions are no faster than float32's, or missing: weights are kept so, and widened.
        return new Capabilities(EnumSet.allOf(DType.class), computed, EnumSet.of(DType.FLOAT16, DType.BFLOAT16), true);
    }

    @Override
    public boolean compiles() {
        return true;
    }

    @Override
    public TensorHandle upload(HostTensor data, Placement placement) {
        // A factor is in memory once, in the form in which its product reads it, as soon as that is there.
        boolean replaceable = placement.factor()
                && splitsProducts()
                && (data.dtype() == DType.FLOAT32 || data.dtype() == DType.FLOAT64);
        return OnnxHandle.of(runtime, data, replaceable);
    }

    @Override
    public HostTensor download(TensorHandle handle) {
        return ((OnnxHandle) handle).toHost();
    }

    @Override
    public List<TensorHandle> execute(Op op, List<TensorHandle> inputs) {
        return oneOp.execute(op, inputs.stream().map(OnnxHandle.class::cast).toList());
    }

    @Override
    public PreparedGraph prepare(Segment segment, WeightSource weights) {
        for (Segment.Step step : segment.steps()) {
            refuseStorageTypes(
                    step.op(), types(segment, step.inputs()), types(segment, step.outputs()), segment.region());
        }
        return new OnnxGraph(this, Segments.decompose(segment, Lowering::has), weights);
    }

    private static List<TensorType> types(Segment segment, List<Integer> slots) {
        return slots.stream().map(slot -> segment.types().get(slot)).toList();
    }

    void refuseStorageTypes(Op op, List<TensorType> in, List<TensorType> out, String region) {
        if (op.worksInStoredTypes()) {
            return;
        }
        for (List<TensorType> types : List.of(in, out)) {
            for (TensorType type : types) {
                if (type.dtype().isFloating() && !computed.contains(type.dtype())) {
                    throw new UnsupportedOperationException("The backend 'onnx' stores " + type.dtype()
                            + " but doesn't compute in it, so it can't run " + op.name()
                            + (region.isEmpty() ? "" : " in '" + region + "'") + "; cast to float32 first");
                }
            }
        }
    }

    @Override
    public void close() {
        oneOp.close();
        runtime.pool().close();
    }
}
