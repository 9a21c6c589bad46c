package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Makes handles of results, with what is known of them without asking libtorch: views of what, of which type. */
final class Results {

    /** Ops whose result has the data type and the shape of the first operand. */
    private static final Set<Class<? extends Op>> HAVE_TYPE_OF_FIRST = Set.of(
            Op.Softmax.class,
            Op.LogSoftmax.class,
            Op.Activation.class,
            Op.LayerNorm.class,
            Op.RmsNorm.class,
            Op.Rotate.class,
            Op.CumSum.class,
            Op.ActivationGradient.class,
            Op.SoftmaxGradient.class,
            Op.LogSoftmaxGradient.class,
            Op.NormGradient.class);

    private Results() {}

    /** A handle of an op's only result. */
    static PyTorchHandle handle(TorchDevice on, Op op, PtNDArray result, List<TensorHandle> inputs) {
        PyTorchHandle first = (PyTorchHandle) inputs.get(0);
        if (op instanceof Op.Slice || op instanceof Op.Expand || op instanceof Op.BroadcastLike) {
            return view(on, result, first);
        } else if (op.reshapes() || op instanceof Op.Transpose || op instanceof Op.Cast) {
            return PyTorchHandle.owning(on, result, first.storage());
        } else if (hasTypeOfFirst(op, inputs)) {
            return PyTorchHandle.owning(on, result, first);
        }
        return PyTorchHandle.owning(on, result, 0);
    }

    /** Handles of the results of an op that has several. */
    static List<TensorHandle> handles(TorchDevice on, Op op, List<PtNDArray> results, List<TensorHandle> inputs) {
        List<TensorHandle> handles = new ArrayList<>();
        for (PtNDArray result : results) {
            handles.add(
                    op instanceof Op.SplitLike
                            ? view(on, result, (PyTorchHandle) inputs.get(0))
                            : PyTorchHandle.owning(on, result, 0));
        }
        return handles;
    }

    // A view keeps the whole of its memory alive, which nobody would see: a small view of much memory is copied.
    private static PyTorchHandle view(TorchDevice on, PtNDArray result, PyTorchHandle from) {
        PyTorchHandle view = PyTorchHandle.owning(on, result, from.storageBytes());
        if (!view.isSmallPartOfMuch()) {
            return view;
        }
        try {
            return PyTorchHandle.owning(on, Torch.copy(result), 0);
        } finally {
            view.close();
        }
    }

    private static boolean hasTypeOfFirst(Op op, List<TensorHandle> inputs) {
        if (op instanceof Op.Binary binary) {
            PyTorchHandle a = (PyTorchHandle) inputs.get(0);
            PyTorchHandle b = (PyTorchHandle) inputs.get(1);
            return switch (binary.kind()) {
                case ADD, SUB, MUL, DIV, POW, MAX, MIN -> a.hasKnownShapeThatTakes(b);
                default -> false;
            };
        }
        return op instanceof Op.Unary unary
                ? unary.kind() != UnaryKind.IS_NAN
                : HAVE_TYPE_OF_FIRST.contains(op.getClass());
    }
}
