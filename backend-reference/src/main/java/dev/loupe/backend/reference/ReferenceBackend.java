package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.InterpretingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import dev.loupe.graph.TensorType;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Sends each op to the class that knows its kind. */
final class ReferenceBackend extends InterpretingBackend {

    private static final Set<DType> STORAGE_ONLY = EnumSet.of(DType.FLOAT16, DType.BFLOAT16);

    private static final Capabilities CAPABILITIES =
            new Capabilities(EnumSet.allOf(DType.class), EnumSet.of(DType.FLOAT32, DType.FLOAT64), true);

    private final Workers workers;
    private final OpTable<Operands, List<HeapTensor>> table = new OpTable<>();

    /** What an op reads, and the data type and shape of its first output. */
    private record Operands(List<HeapTensor> in, DType dtype, Shape shape) {
        HeapTensor in(int index) {
            return in.get(index);
        }
    }

    /** The way to compute an op with one output. */
    @FunctionalInterface
    private interface Single<T extends Op> {
        HeapTensor compute(T op, Operands at);
    }

    ReferenceBackend(Workers workers) {
        this.workers = workers;
        Layout layout = new Layout(workers);
        enter(new Elementwise(workers));
        enter(new MatMul(workers));
        enter(new Reductions(workers, layout));
        enter(new Rows(workers, layout));
        enterIndexing();
        enter(layout);
    }

    private <T extends Op> void line(Class<T> kind, Single<T> single) {
        table.line(kind, (op, at) -> List.of(single.compute(op, at)));
    }

    private void enter(Elementwise elementwise) {
        line(Op.Unary.class, (op, at) -> elementwise.unary(op.kind(), at.in(0), at.dtype()));
        line(Op.Binary.class, (op, at) -> elementwise.binary(op.kind(), at.in(0), at.in(1), at.dtype(), at.shape()));
        line(Op.Where.class, (op, at) -> elementwise.where(at.in(0), at.in(1), at.in(2), at.shape()));
        line(Op.Cast.class, (op, at) -> elementwise.cast(at.in(0), at.dtype()));
        line(Op.Activation.class, (op, at) -> elementwise.activation(op.kind(), at.in(0)));
    }

    private void enter(MatMul matMul) {
        line(Op.MatMul.class, (op, at) -> matMul.product(at.in(0), at.in(1), at.shape()));
        line(Op.Linear.class, (op, at) -> matMul.linear(at.in(0), at.in(1), at.in(2), at.shape()));
    }

    private void enter(Reductions reductions) {
        line(Op.Reduce.class, (op, at) -> reductions.reduce(op, at.in(0), at.shape()));
        line(Op.ArgReduce.class, (op, at) -> reductions.argReduce(op, at.in(0), at.shape()));
        line(Op.CumSum.class, (op, at) -> reductions.cumSum(op, at.in(0)));
        table.line(Op.TopK.class, (op, at) -> List.of(reductions.topK(op, at.in(0))));
    }

    private void enter(Rows rows) {
        line(Op.Softmax.class, (op, at) -> rows.softmax(at.in(0), op.axis()));
        line(Op.LogSoftmax.class, (op, at) -> rows.logSoftmax(at.in(0), op.axis()));
        line(Op.LayerNorm.class, (op, at) -> rows.layerNorm(at.in(), op.eps()));
        line(Op.RmsNorm.class, (op, at) -> rows.rmsNorm(at.in(), op.eps()));
    }

    private void enterIndexing() {
        line(Op.Gather.class, (op, at) -> Indexing.gather(op, at.in(0), at.in(1), at.shape()));
        line(Op.GatherElements.class, (op, at) -> Indexing.gatherElements(op, at.in(0), at.in(1)));
        line(Op.ScatterElements.class, (op, at) -> Indexing.scatterElements(op, at.in(0), at.in(1), at.in(2)));
        line(Op.ScatterAdd.class, (op, at) -> Indexing.scatterAdd(op, at.in(0), at.in(1), at.in(2)));
    }

    private void enter(Layout layout) {
        for (Class<? extends Op> kind :
                List.of(Op.Reshape.class, Op.ReshapeLike.class, Op.SplitAxis.class, Op.MergeAxes.class)) {
            line(kind, (op, at) -> at.in(0).withShape(at.shape()));
        }
        line(Op.Transpose.class, (op, at) -> layout.transpose(at.in(0), op.permutation(), at.shape()));
        line(Op.Expand.class, (op, at) -> layout.expand(at.in(0), at.shape()));
        line(Op.BroadcastLike.class, (op, at) -> layout.broadcast(at.in(0), at.shape()));
        line(Op.Slice.class, (op, at) -> layout.slice(at.in(0), op, at.shape()));
        line(Op.Unslice.class, (op, at) -> Layout.unslice(at.in(0), op, at.shape()));
        line(Op.Concat.class, (op, at) -> layout.concat(at.in(), op.axis(), at.shape()));
        line(Op.SliceScatter.class, (op, at) -> layout.sliceScatter(at.in(0), at.in(1), op));
        line(Op.Full.class, (op, at) -> filled(op, at));
        table.line(
                Op.SplitLike.class,
                (op, at) -> List.copyOf(layout.splitLike(
                        at.in(0), op.axis(), at.in().subList(1, at.in().size()))));
    }

    private static HeapTensor filled(Op.Full op, Operands at) {
        HeapTensor out = HeapTensor.zeros(at.dtype(), at.shape());
        out.fill(op.value());
        return out;
    }

    @Override
    public String id() {
        return ReferenceBackendProvider.ID;
    }

    @Override
    public String device() {
        return ReferenceBackendProvider.DEVICE;
    }

    @Override
    public boolean keepsUploads() {
        return false;
    }

    /** Tensors are Java arrays. Collectors round large ones up, to whole regions of the heap, so they don't fill it. */
    @Override
    public long memoryLimit() {
        return Runtime.getRuntime().maxMemory() / 10 * 9;
    }

    @Override
    public Capabilities capabilities() {
        return CAPABILITIES;
    }

    @Override
    public TensorHandle upload(HostTensor data, Placement placement) {
        return HeapTensor.of(data);
    }

    @Override
    public HostTensor download(TensorHandle handle) {
        return ((HeapTensor) handle).toHost();
    }

    @Override
    protected boolean implementsComposite(Op op) {
        return table.has(op);
    }

    @Override
    protected List<TensorHandle> compute(Op op, List<TensorHandle> handles) {
        List<HeapTensor> in = handles.stream().map(HeapTensor.class::cast).toList();
        List<TensorType> types = op.infer(
                in.stream().map(x -> TensorType.of(x.dtype(), x.shape())).toList());
        refuseStorageTypes(op, in, types);
        if (!table.has(op)) {
            throw new UnsupportedOperationException("The backend 'reference' doesn't know the op " + op.name()
                    + "; it was written for another version of Loupe");
        }
        return List.copyOf(table.apply(
                op, new Operands(in, types.get(0).dtype(), types.get(0).shape())));
    }

    private static void refuseStorageTypes(Op op, List<HeapTensor> in, List<TensorType> out) {
        if (op.worksInStoredTypes()) {
            return;
        }
        for (TensorType type : out) {
            refuseStorageType(op, type.dtype());
        }
        for (HeapTensor x : in) {
            refuseStorageType(op, x.dtype());
        }
    }

    private static void refuseStorageType(Op op, DType dtype) {
        if (STORAGE_ONLY.contains(dtype)) {
            throw new UnsupportedOperationException("The backend 'reference' stores " + dtype
                    + " but doesn't compute in it, so it can't run " + op.name() + "; cast to float32 first");
        }
    }

    @Override
    public void close() {
        workers.close();
    }
}
