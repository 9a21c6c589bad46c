package dev.loupe.backend.pytorch;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.InterpretingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.pytorch.Joins.Join;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * libtorch on one device.
 *
 * <p>Which ops are computed in 16 bits on which device, and which in float32, is {@link SixteenBits}' to say.
 */
final class PyTorchBackend extends InterpretingBackend {

    static final String ID = "pytorch";

    private final TorchDevice device;
    private final Capabilities capabilities;

    private final SixteenBits sixteenBits;

    /** Whether there has been a tensor of 16 bits; until then nobody need ask for the type of every operand. */
    private volatile boolean hasSixteenBits;

    PyTorchBackend(TorchDevice device) {
        this.device = device;
        this.sixteenBits = new SixteenBits(device);
        Set<DType> floating = EnumSet.allOf(DType.class);
        floating.removeIf(type -> !type.isFloating());
        Set<DType> stored = EnumSet.copyOf(floating);
        stored.removeIf(type -> !type.isSixteenBits() || sixteenBits.hasProducts(type));
        this.capabilities = new Capabilities(EnumSet.allOf(DType.class), floating, stored, device.isCpu());
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
    public long memoryBytes() {
        return device.memoryBytes();
    }

    @Override
    public Capabilities capabilities() {
        return capabilities;
    }

    @Override
    public boolean keepsUploads() {
        return false;
    }

    @Override
    public TensorHandle upload(HostTensor data, Placement placement) {
        hasSixteenBits |= data.dtype().isSixteenBits();
        device.retain();
        boolean gradients = Torch.enter();
        try {
            PyTorchHandle handle = PyTorchHandle.owning(device, uploadOnceMoreIfFull(data, placement), 0);
            if (!device.isCpu()) {
                handle.isIn(Indices.of(data));
            }
            return handle;
        } catch (EngineException e) {
            throw Failures.uploading(device, data, e);
        } finally {
            Torch.leave(gradients);
            device.release();
        }
    }

    private PtNDArray uploadOnceMoreIfFull(HostTensor data, Placement placement) {
        // libtorch's 16-bit products on a CPU read a matrix up to three times as fast if its columns lie in a row.
        boolean columnsInRows = placement.factor()
                && device.isCpu()
                && data.shape().rank() == 2
                && data.dtype().isSixteenBits()
                && sixteenBits.hasProducts(data.dtype());
        try {
            return Transfer.upload(device, data, columnsInRows);
        } catch (EngineException e) {
            if (!Failures.isForWantOfMemory(e)) {
                throw e;
            }
            UnreachableTensors.free();
            return Transfer.upload(device, data, columnsInRows);
        }
    }

    @Override
    public HostTensor download(TensorHandle handle) {
        PyTorchHandle own = (PyTorchHandle) handle;
        boolean gradients = Torch.enter();
        PtNDArray array = own.acquire();
        try {
            return Transfer.download(device, array, own.dtype(), own.shape());
        } finally {
            own.release();
            Torch.leave(gradients);
        }
    }

    /** Whether this is where arrays of that device are computed with. */
    boolean isOn(TorchDevice other) {
        return device == other;
    }

    /** A copy of an array that lies on another device of the same backend. */
    PyTorchHandle receive(PyTorchHandle from) {
        PtNDArray array = from.acquire();
        try {
            PyTorchHandle copy = adopt(array);
            copy.isIn(from.range());
            return copy;
        } finally {
            from.release();
        }
    }

    /** A copy of an array from anywhere. */
    PyTorchHandle adopt(PtNDArray array) {
        hasSixteenBits |= TorchTypes.of(array).isSixteenBits();
        device.retain();
        boolean gradients = Torch.enter();
        try {
            return PyTorchHandle.owning(device, Transfer.copy(device, array), 0);
        } catch (EngineException e) {
            throw Failures.receiving(device, array, e);
        } finally {
            Torch.leave(gradients);
            device.release();
        }
    }

    @Override
    protected boolean implementsComposite(Op op) {
        return true;
    }

    @Override
    public List<TensorHandle> execute(Op op, List<TensorHandle> inputs, List<TensorType> outputs) {
        return PyTorchHandle.areOf(outputs, execute(op, inputs));
    }

    @Override
    protected List<Work> works(Segment segment, List<Segment.Step> steps, Set<Integer> wanted) {
        if (device.isCpu()) {
            return super.works(segment, steps, wanted);
        }
        @Nullable Join[] joins = Joins.find(segment, steps, wanted);
        List<Work> works = new ArrayList<>();
        for (int i = 0; i < steps.size(); i++) {
            Join join = joins[i];
            if (join == null) {
                works.add(alone(steps.get(i)));
            } else if (join.last() == i) {
                works.add(new Work(join.inputs(), join.outputs(), inputs -> compute(join, inputs)));
            }
        }
        return works;
    }

    private List<TensorHandle> compute(Join join, List<TensorHandle> inputs) {
        return with(
                inputs,
                arrays -> {
                    List<Object> others = new ArrayList<>(Arrays.asList(arrays).subList(1, arrays.length));
                    others.addAll(join.arguments());
                    DType type = TorchTypes.of(arrays[0]);
                    join.constants().forEach(number -> others.add(device.scalar(type, number)));
                    return device.callForSeveral(join.function(), arrays[0], others.toArray()).stream()
                            .map(this::owned)
                            .toList();
                },
                e -> Failures.computing(device, join.function(), inputs, e));
    }

    @Override
    protected List<TensorHandle> compute(Op op, List<TensorHandle> inputs) {
        return with(inputs, arrays -> compute(op, inputs, arrays), e -> Failures.computing(device, op, inputs, e));
    }

    /** Does something with the arrays of some handles, which stay meanwhile, and once more where memory was wanting. */
    private List<TensorHandle> with(
            List<TensorHandle> inputs,
            Function<PtNDArray[], List<TensorHandle>> work,
            Function<EngineException, RuntimeException> failure) {
        PtNDArray[] arrays = new PtNDArray[inputs.size()];
        int acquired = 0;
        device.retain();
        device.countWork();
        boolean gradients = Torch.enter();
        try {
            for (; acquired < arrays.length; acquired++) {
                arrays[acquired] = ((PyTorchHandle) inputs.get(acquired)).acquire();
            }
            return onceMoreIfFull(work, arrays);
        } catch (EngineException e) {
            throw failure.apply(e);
        } finally {
            for (int i = 0; i < acquired; i++) {
                ((PyTorchHandle) inputs.get(i)).release();
            }
            Torch.leave(gradients);
            device.release();
        }
    }

    private static List<TensorHandle> onceMoreIfFull(
            Function<PtNDArray[], List<TensorHandle>> work, PtNDArray[] arrays) {
        try {
            return work.apply(arrays);
        } catch (EngineException e) {
            if (!Failures.isForWantOfMemory(e)) {
                throw e;
            }
            UnreachableTensors.free();
            return work.apply(arrays);
        }
    }

    private List<TensorHandle> compute(Op op, List<TensorHandle> inputs, PtNDArray[] arrays) {
        device.forgetStaging();
        if (op instanceof Op.Full full) {
            return List.of(full(full));
        } else if (op instanceof Op.Cast cast && cast.to().isSixteenBits()) {
            hasSixteenBits = true;
        }
        Indices.check(device, op, arrays, inputs);
        if (hasSixteenBits && !TorchMovement.moves(op)) {
            try (Widened wide = new Widened(device, sixteenBits, op, inputs, arrays)) {
                if (!wide.isAsItWas()) {
                    return Kernels.run(device, op, wide.operands()).stream()
                            .map(wide::narrow)
                            .map(this::owned)
                            .toList();
                }
            }
        }
        if (op instanceof Op.TopK || op instanceof Op.SplitLike) {
            return Results.handles(device, op, Kernels.run(device, op, arrays), inputs);
        }
        PtNDArray result = Kernels.runForOne(device, op, arrays);
        PyTorchHandle handle = Results.handle(device, op, result, inputs);
        if (Indices.keepsRange(op)) {
            handle.isIn(((PyTorchHandle) inputs.get(0)).range());
        }
        return List.of(handle);
    }

    private TensorHandle owned(PtNDArray array) {
        return PyTorchHandle.owning(device, array, 0);
    }

    private TensorHandle full(Op.Full op) {
        hasSixteenBits |= op.dtype().isSixteenBits();
        return op.shape().equals(Shape.SCALAR)
                ? device.scalarHandle(op.dtype(), op.value())
                : PyTorchHandle.owning(device, device.full(op.dtype(), op.shape(), op.value()), 0);
    }

    @Override
    public void close() {
        device.close();
    }
}
