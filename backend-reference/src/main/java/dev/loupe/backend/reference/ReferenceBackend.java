package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.InterpretingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
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
    private final Elementwise elementwise;
    private final Layout layout;
    private final Reductions reductions;
    private final Rows rows;
    private final MatMul matMul;

    ReferenceBackend(Workers workers) {
        this.workers = workers;
        elementwise = new Elementwise(workers);
        layout = new Layout(workers);
        reductions = new Reductions(workers, layout);
        rows = new Rows(workers, layout);
        matMul = new MatMul(workers);
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
        return Rows.has(op) || op instanceof Op.Activation || op instanceof Op.Linear || op instanceof Op.SliceScatter;
    }

    @Override
    protected List<TensorHandle> compute(Op op, List<TensorHandle> handles) {
        List<HeapTensor> in = handles.stream().map(HeapTensor.class::cast).toList();
        List<TensorType> types = op.infer(
                in.stream().map(x -> TensorType.of(x.dtype(), x.shape())).toList());
        refuseStorageTypes(op, in, types);
        if (op instanceof Op.TopK topK) {
            return List.of(reductions.topK(topK, in.get(0)));
        } else if (op instanceof Op.SplitLike split) {
            return List.copyOf(layout.splitLike(in.get(0), split.axis(), in.subList(1, in.size())));
        }
        return List.of(compute(op, in, types.get(0).dtype(), types.get(0).shape()));
    }

    private static void refuseStorageTypes(Op op, List<HeapTensor> in, List<TensorType> out) {
        if (op instanceof Op.Cast) {
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

    private HeapTensor compute(Op op, List<HeapTensor> in, DType dtype, Shape shape) {
        if (op instanceof Op.Full full) {
            HeapTensor out = HeapTensor.zeros(dtype, shape);
            out.fill(full.value());
            return out;
        }
        HeapTensor x = in.get(0);
        if (op instanceof Op.Unary unary) {
            return elementwise.unary(unary.kind(), x, dtype);
        } else if (op instanceof Op.Binary binary) {
            return elementwise.binary(binary.kind(), x, in.get(1), dtype, shape);
        } else if (op instanceof Op.Where) {
            return elementwise.where(x, in.get(1), in.get(2), shape);
        } else if (op instanceof Op.Cast) {
            return elementwise.cast(x, dtype);
        } else if (op instanceof Op.Activation activation) {
            return elementwise.activation(activation.kind(), x);
        } else if (op instanceof Op.MatMul) {
            return matMul.product(x, in.get(1), shape);
        } else if (op instanceof Op.Linear) {
            return matMul.linear(x, in.get(1), in.get(2), shape);
        } else if (op instanceof Op.Reduce reduce) {
            return reductions.reduce(reduce, x, shape);
        } else if (op instanceof Op.ArgReduce argReduce) {
            return reductions.argReduce(argReduce, x, shape);
        } else if (op instanceof Op.CumSum cumSum) {
            return reductions.cumSum(cumSum, x);
        } else if (op instanceof Op.Softmax softmax) {
            return rows.softmax(x, softmax.axis());
        } else if (op instanceof Op.LogSoftmax softmax) {
            return rows.logSoftmax(x, softmax.axis());
        } else if (op instanceof Op.LayerNorm norm) {
            return rows.layerNorm(in, norm.eps());
        } else if (op instanceof Op.RmsNorm norm) {
            return rows.rmsNorm(in, norm.eps());
        } else if (op instanceof Op.Gather gather) {
            return Indexing.gather(gather, x, in.get(1), shape);
        } else if (op instanceof Op.GatherElements gather) {
            return Indexing.gatherElements(gather, x, in.get(1));
        } else if (op instanceof Op.ScatterElements scatter) {
            return Indexing.scatterElements(scatter, x, in.get(1), in.get(2));
        } else if (op instanceof Op.ScatterAdd scatter) {
            return Indexing.scatterAdd(scatter, x, in.get(1), in.get(2));
        } else if (op instanceof Op.Reshape
                || op instanceof Op.ReshapeLike
                || op instanceof Op.SplitAxis
                || op instanceof Op.MergeAxes) {
            return x.withShape(shape);
        } else if (op instanceof Op.Transpose transpose) {
            return layout.transpose(x, transpose.permutation(), shape);
        } else if (op instanceof Op.Expand) {
            return layout.expand(x, shape);
        } else if (op instanceof Op.BroadcastLike) {
            return layout.broadcast(x, shape);
        } else if (op instanceof Op.Slice slice) {
            return layout.slice(x, slice, shape);
        } else if (op instanceof Op.Unslice unslice) {
            return Layout.unslice(x, unslice, shape);
        } else if (op instanceof Op.Concat concat) {
            return layout.concat(in, concat.axis(), shape);
        } else if (op instanceof Op.SliceScatter scatter) {
            return layout.sliceScatter(x, in.get(1), scatter);
        }
        throw new UnsupportedOperationException("The backend 'reference' doesn't know the op " + op.name() + " (in "
                + x.dtype() + "); it was written for another version of Loupe");
    }

    @Override
    public void close() {
        workers.close();
    }
}
