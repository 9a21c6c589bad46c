package dev.loupe.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Writing results. */
final class Output {

    private static final ObjectMapper JSON = new ObjectMapper();

    private Output() {}

    static void json(PrintWriter out, Object value) {
        try {
            out.println(JSON.writeValueAsString(value));
            out.flush();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Can't write the result as JSON: " + e.getOriginalMessage(), e);
        }
    }

    static String format(String pattern, Object... arguments) {
        return String.format(Locale.ROOT, pattern, arguments);
    }

    /** The ids, int64 [batch, pos]. */
    static HostTensor ids(Tokens tokens) {
        long[] flat = new long[tokens.batch() * tokens.positions()];
        for (int row = 0; row < tokens.batch(); row++) {
            System.arraycopy(tokens.row(row), 0, flat, row * tokens.positions(), tokens.positions());
        }
        return HostTensor.of(Shape.of(tokens.batch(), tokens.positions()), flat);
    }

    /** The ids of every row as nested lists. */
    static List<List<Long>> rows(Tokens tokens) {
        List<List<Long>> rows = new ArrayList<>();
        for (int row = 0; row < tokens.batch(); row++) {
            rows.add(list(tokens.row(row)));
        }
        return rows;
    }

    static List<Long> list(long[] ids) {
        return Arrays.stream(ids).boxed().toList();
    }

    /** A tensor as nested lists. */
    static Object nested(Tensor tensor) {
        return nested(tensor.toDoubleArray(), tensor.shape(), 0, 0);
    }

    private static Object nested(double[] flat, Shape shape, int axis, int offset) {
        if (axis == shape.rank()) {
            return flat[offset];
        }
        int stride = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            stride *= (int) shape.size(i);
        }
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < shape.size(axis); i++) {
            list.add(nested(flat, shape, axis + 1, offset + i * stride));
        }
        return list;
    }

    /** A token for display: its text in quotation marks with line breaks made visible, or its id. */
    static String token(HookedTransformer model, long id) {
        return model.tokenizer().isPresent()
                ? quote(model.toStrTokens(new long[] {id}).get(0))
                : "#" + id;
    }

    static String quote(String text) {
        return "\"" + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + "\"";
    }
}
