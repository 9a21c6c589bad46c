package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.OpTable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Makes handles of results, with what is known of them without asking libtorch: views of what, of which type. */
final class Results {

    /** A result, and what it was made from. */
    private record Made(TorchDevice on, PtNDArray result, List<TensorHandle> inputs) {

        PyTorchHandle first() {
            return (PyTorchHandle) inputs.get(0);
        }

        /** Nothing is known of it. */
        PyTorchHandle unknown() {
            return PyTorchHandle.owning(on, result, 0);
        }

        /** Its memory may be the first operand's. */
        PyTorchHandle inMemoryOfFirst() {
            return PyTorchHandle.owning(on, result, first().storage());
        }

        /** It has the data type and the shape of the first operand. */
        PyTorchHandle ofTypeOfFirst() {
            return PyTorchHandle.owning(on, result, first());
        }

        // A view keeps the whole of its memory alive, which nobody would see: a small view of much memory is copied.
        PyTorchHandle view() {
            PyTorchHandle view = PyTorchHandle.owning(on, result, first().storageBytes());
            if (!view.isSmallPartOfMuch()) {
                return view;
            }
            try {
                return PyTorchHandle.owning(on, Torch.copy(result), 0);
            } finally {
                view.close();
            }
        }
    }

    /** What is known, by kind; nothing of kinds without a line. */
    private static final OpTable<Made, PyTorchHandle> KNOWN = new OpTable<>();

    static {
        lines(Made::view, Op.Slice.class, Op.Expand.class, Op.BroadcastLike.class, Op.SplitLike.class);
        lines(
                Made::inMemoryOfFirst,
                Op.Reshape.class,
                Op.ReshapeLike.class,
                Op.SplitAxis.class,
                Op.MergeAxes.class,
                Op.Transpose.class,
                Op.Cast.class);
        lines(
                Made::ofTypeOfFirst,
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
        KNOWN.line(Op.Unary.class, (op, made) -> op.kind() == UnaryKind.IS_NAN ? made.unknown() : made.ofTypeOfFirst());
        KNOWN.line(Op.Binary.class, Results::ofTwo);
    }

    private Results() {}

    @SafeVarargs
    private static void lines(Function<Made, PyTorchHandle> handle, Class<? extends Op>... kinds) {
        for (Class<? extends Op> kind : kinds) {
            KNOWN.line(kind, (op, made) -> handle.apply(made));
        }
    }

    private static PyTorchHandle ofTwo(Op.Binary op, Made made) {
        PyTorchHandle second = (PyTorchHandle) made.inputs().get(1);
        return switch (op.kind()) {
            case ADD, SUB, MUL, DIV, POW, MAX, MIN ->
                made.first().hasKnownShapeThatTakes(second) ? made.ofTypeOfFirst() : made.unknown();
            default -> made.unknown();
        };
    }

    /** A handle of an op's only result. */
    static PyTorchHandle handle(TorchDevice on, Op op, PtNDArray result, List<TensorHandle> inputs) {
        Made made = new Made(on, result, inputs);
        PyTorchHandle known = KNOWN.find(op, made);
        return known == null ? made.unknown() : known;
    }

    /** Handles of the results of an op that has several. */
    static List<TensorHandle> handles(TorchDevice on, Op op, List<PtNDArray> results, List<TensorHandle> inputs) {
        List<TensorHandle> handles = new ArrayList<>();
        results.forEach(result -> handles.add(handle(on, op, result, inputs)));
        return handles;
    }
}
