package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;

/** Makes handles of results, with what is known of them without asking libtorch: views of what, of which type. */
final class Results {

    private Results() {}

    /** A handle of an op's only result. */
    static PyTorchHandle handle(TorchDevice on, Op op, PtNDArray result, List<TensorHandle> inputs) {
        PyTorchHandle first = (PyTorchHandle) inputs.get(0);
        if (op instanceof Op.Slice || op instanceof Op.Expand || op instanceof Op.BroadcastLike) {
            return view(on, result, first);
        } else if (op instanceof Op.Reshape
                || op instanceof Op.ReshapeLike
                || op instanceof Op.SplitAxis
                || op instanceof Op.MergeAxes
                || op instanceof Op.Transpose
                || op instanceof Op.Cast) {
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
                : op instanceof Op.Softmax
                        || op instanceof Op.LogSoftmax
                        || op instanceof Op.Activation
                        || op instanceof Op.LayerNorm
                        || op instanceof Op.RmsNorm
                        || op instanceof Op.Rotate
                        || op instanceof Op.CumSum
                        || op instanceof Op.ActivationGradient
                        || op instanceof Op.SoftmaxGradient
                        || op instanceof Op.LogSoftmaxGradient
                        || op instanceof Op.NormGradient;
    }
}
