package dev.loupe.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import dev.loupe.analysis.TokenTexts;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/** Writing results. */
final class Output {

    /** Set up when it is first asked for: that takes as long as to run a small model. */
    private static final class Json {
        static final ObjectWriter WRITER = new ObjectMapper().writer().without(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
    }

    private Output() {}

    static void json(PrintWriter out, Object value) {
        try {
            Json.WRITER.writeValue(out, value);
            out.println();
            out.flush();
        } catch (IOException e) {
            // Jackson wraps what the stream throws; that the output is lost is no failure of JSON.
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (cause instanceof StandardOutput.LostException lost) {
                    throw lost;
                }
            }
            throw new UncheckedIOException("Can't write the result as JSON", e);
        }
    }

    /** A JSON object of names and values. */
    static Map<String, Object> object(Object... namesAndValues) {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            object.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return object;
    }

    /** 0 and so on, as many as that. */
    static List<Integer> range(int count) {
        return IntStream.range(0, count).boxed().toList();
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
        String text = TokenTexts.of(model, new long[] {id}).get(0);
        return model.tokenizer().isPresent() ? quote(text) : text;
    }

    /** A text in quotation marks, with everything in it that doesn't show made visible. */
    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '\n' -> quoted.append("\\n");
                case '\t' -> quoted.append("\\t");
                case '\r' -> quoted.append("\\r");
                default -> quoted.append(Character.isISOControl(c) ? format("\\u%04x", (int) c) : String.valueOf(c));
            }
        }
        return quoted.append('"').toString();
    }
}
