package dev.loupe.backend.onnx.execution;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.onnx.lowering.Float16;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.runtime.OnnxSession;
import dev.loupe.backend.onnx.stage.Stage;
import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The product with a matrix that is only stored in 16 bits. It is fed as it is stored and widened as it is used, by blocks
 * of its columns: what is widened is small enough to stay in a cache, and the runtime's arena, which keeps the most that a
 * session has ever needed, doesn't keep the matrix in both types.
 */
final class StoredProduct {

    private static final String WEIGHT = "weight";

    /** About how much is widened at once. */
    private static final long BLOCK_BYTES = 4 << 20;

    /** About how much of a result is computed at once. */
    private static final long BAND_BYTES = 16 << 20;

    /** With fewer rows, widening the matrix for each band takes a good part of the time. */
    private static final long FEWEST_ROWS = 128;

    private StoredProduct() {}

    /** {@code x [rows, in]} times the matrix, and a bias if there is one. */
    static OnnxSession.Model model(Stage.Product stage, OnnxHandle weight, Dim rows, String what) {
        ModelBuilder model = new ModelBuilder("product");
        long in = weight.shape().size(0);
        long out = weight.shape().size(1);
        model.input("x", TensorType.of(DType.FLOAT32, rows, Dim.of(in)));
        model.input(WEIGHT, TensorType.of(weight.dtype(), weight.shape()));
        List<String> inputs = new ArrayList<>(List.of("x", WEIGHT));
        boolean biased = stage.step().inputs().size() == 3;
        if (biased) {
            model.input("bias", TensorType.of(DType.FLOAT32, Dim.of(out)));
            inputs.add("bias");
        }
        long blocks = Math.max(1, Math.min(out, in * out * Float.BYTES / BLOCK_BYTES));
        List<String> results = new ArrayList<>();
        for (long block = 0; block < blocks; block++) {
            long from = out * block / blocks;
            long to = out * (block + 1) / blocks;
            String columns = blocks == 1 ? WEIGHT : slice(model, WEIGHT, from, to, 1);
            List<String> operands = new ArrayList<>(List.of("x", Float16.cast(model, columns, DType.FLOAT32)));
            if (biased) {
                operands.add(blocks == 1 ? "bias" : slice(model, "bias", from, to, 0));
            }
            results.add(model.node(biased ? "Gemm" : "MatMul", operands));
        }
        String result = blocks == 1 ? results.get(0) : model.node("Concat", results, Attribute.of("axis", 1));
        model.output(result, TensorType.of(DType.FLOAT32, rows, Dim.of(out)));
        return new OnnxSession.Model(what, model.build(), inputs, List.of(result), Map.of());
    }

    /**
     * In how many bands of rows a product is best computed: what its blocks of columns give lies beside the result until
     * they are put together.
     *
     * @param result its shape {@code [rows, out]}
     */
    static long bands(Shape result) {
        long rows = Math.max(FEWEST_ROWS, BAND_BYTES / (result.size(1) * Float.BYTES));
        return Math.max(1, (result.size(0) + rows - 1) / rows);
    }

    private static String slice(ModelBuilder model, String value, long from, long to, int axis) {
        return model.node(
                "Slice",
                List.of(value, model.ints(List.of(from)), model.ints(List.of(to)), model.ints(List.of((long) axis))));
    }
}
