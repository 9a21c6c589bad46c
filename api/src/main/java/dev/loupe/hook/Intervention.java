package dev.loupe.hook;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookNames;
import dev.loupe.tensor.Tensor;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A change of an activation that is data, not code: it becomes part of the run's graph on every backend, costs no cut, is
 * differentiated and exported with the model, and can be written down as {@linkplain #toString text} and as {@linkplain
 * #toJson JSON}, which read back as the same object.
 *
 * <pre>{@code
 * Intervention.zero("z", 2).heads(1)                         // z2[head=1] = 0
 * Intervention.scale("pattern", 3, 0.3).heads(0)             // pattern3[head=0] *= 0.3
 * Intervention.add("resid_post", 1, steering).lastReal()     // resid_post1[pos=last] += …
 * Intervention.parse("resid_post 1 += 0.5 * vectors.safetensors:honesty")
 * }</pre>
 *
 * <p>Runs that differ only in numbers, or in selections of the same kind, share one plan and what a backend prepared for
 * it. Derivatives flow by each action's own rule: to the old value through add, scale, mean and projection; not through
 * set, patch and zero; none at all through stop.
 *
 * @param point full or short name of a hook point, or a pattern with {@code *} and {@code ?}
 * @param selection the part of the activation that is changed
 * @param action what is done there
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Intervention(String point, Selection selection, Action action) implements Edit {

    /** What is done. */
    public sealed interface Action {}

    /** The number 0 takes the part's place. */
    public record Zero() implements Action {}

    /** A value takes the part's place. */
    public record Set(Values value) implements Action {}

    /** A value is added. */
    public record Add(Values value) implements Action {}

    /** The part is multiplied. */
    public record Scale(double factor) implements Action {}

    /** The mean over axes takes the part's place; padding doesn't count where positions are averaged. */
    public record Mean(List<Axis> axes) implements Action {
        /** Copies the list. */
        public Mean {
            axes = List.copyOf(axes);
            if (axes.isEmpty()) {
                throw new IllegalArgumentException("A mean needs at least one axis: batch, pos, head …");
            }
        }
    }

    /**
     * The same part of another run takes the part's place.
     *
     * @param activations of the other run; null where a file has them
     * @param file a .safetensors file that {@code ActivationCache.save} wrote; null where {@code activations} has them
     */
    public record Patch(
            @Nullable Activations activations, @Nullable String file) implements Action {}

    /** The components along directions, rows [n, size of the last axis] or one [size], are taken out. */
    public record ProjectOut(Values directions) implements Action {}

    /**
     * Any function of the graph's arithmetic; it has no text.
     *
     * @param function gives a value of the activation's type
     * @param inputs tensors that the function asks its scope for, by name
     */
    public record Function(GraphFunction function, Map<String, Fed> inputs) implements Action {
        /** Copies the map. */
        public Function {
            inputs = Map.copyOf(inputs);
        }
    }

    /**
     * A tensor that a function is fed: runs with other numbers share a plan. It stays open and belongs to the caller.
     *
     * @param sizes its sizes as the graph knows them: a number, or a symbol such as {@code batch}, so that the function
     *     may be used in runs of other sizes
     */
    public record Fed(Tensor value, List<Dim> sizes) {
        /** Copies the sizes. */
        public Fed {
            sizes = List.copyOf(sizes);
        }

        /** A tensor whose sizes are {@code sizes}. */
        public static Fed of(Tensor value, Dim... sizes) {
            return new Fed(value, List.of(sizes));
        }
    }

    /** The value passes, its derivative doesn't. */
    public record Stop() implements Action {}

    /**
     * A number, or a tensor that broadcasts to the part that is changed.
     *
     * @param factor what it is multiplied by; the number itself if there are no numbers
     * @param numbers in memory; null for a plain number, or where a file has them
     * @param file a .safetensors file; null if there is none
     * @param name of the tensor in the file
     */
    public record Values(
            double factor,
            @Nullable HostTensor numbers,
            @Nullable String file,
            @Nullable String name) {

        /** Checks that the numbers stand in one place. */
        public Values {
            if ((file == null) != (name == null) || (file != null && numbers != null)) {
                throw new IllegalArgumentException("Values are a number, a tensor, or a file and a name in it");
            }
        }

        /** A number. */
        public static Values of(double number) {
            return new Values(number, null, null, null);
        }

        /** A tensor. */
        public static Values of(HostTensor numbers) {
            return new Values(1, numbers, null, null);
        }

        /** Whether it is a plain number. */
        public boolean isNumber() {
            return numbers == null && file == null;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Values values
                    && Double.compare(factor, values.factor) == 0
                    && Objects.equals(file, values.file)
                    && Objects.equals(name, values.name)
                    && same(numbers, values.numbers);
        }

        private static boolean same(@Nullable HostTensor a, @Nullable HostTensor b) {
            if (a == null || b == null) {
                return a == null && b == null;
            }
            return a.dtype() == b.dtype()
                    && a.shape().equals(b.shape())
                    && Arrays.equals(a.toDoubleArray(), b.toDoubleArray());
        }

        @Override
        public int hashCode() {
            return Double.hashCode(factor) * 31
                    + (numbers == null ? 0 : Arrays.hashCode(numbers.toDoubleArray()))
                    + Objects.hash(file, name);
        }
    }

    private static Intervention at(String name, Action action) {
        return new Intervention(name, Selection.ALL, action);
    }

    // What is done.

    /** Zeros at a point, by full or short name or by pattern. */
    public static Intervention zero(String point) {
        return at(point, new Zero());
    }

    /** Zeros at a point of one layer; a negative layer counts from the end. */
    public static Intervention zero(String shortName, int layer) {
        return zero(HookNames.join(shortName, layer));
    }

    /** A number in place of the activation. */
    public static Intervention set(String point, double number) {
        return at(point, new Set(Values.of(number)));
    }

    /** A tensor in place of the activation; it broadcasts to the part that is selected. */
    public static Intervention set(String point, Tensor value) {
        return at(point, new Set(Values.of(value.toHost())));
    }

    /** A number is added. */
    public static Intervention add(String point, double number) {
        return at(point, new Add(Values.of(number)));
    }

    /** A tensor is added; it broadcasts to the part that is selected. */
    public static Intervention add(String point, Tensor value) {
        return at(point, new Add(Values.of(value.toHost())));
    }

    /** A tensor is added at a point of one layer. */
    public static Intervention add(String shortName, int layer, Tensor value) {
        return add(HookNames.join(shortName, layer), value);
    }

    /** The activation is multiplied. */
    public static Intervention scale(String point, double factor) {
        return at(point, new Scale(factor));
    }

    /** The activation is multiplied at a point of one layer. */
    public static Intervention scale(String shortName, int layer, double factor) {
        return scale(HookNames.join(shortName, layer), factor);
    }

    /** The mean over axes in place of the activation. */
    public static Intervention mean(String point, Axis... axes) {
        return at(point, new Mean(List.of(axes)));
    }

    /** What another run had there, in place of the activation. */
    public static Intervention patch(String point, Activations from) {
        return at(point, new Patch(from, null));
    }

    /** What another run had at a point of one layer, in place of the activation. */
    public static Intervention patch(String shortName, int layer, Activations from) {
        return patch(HookNames.join(shortName, layer), from);
    }

    /** Directions [n, size of the last axis], or one, are projected out. */
    public static Intervention projectOut(String point, Tensor directions) {
        return at(point, new ProjectOut(Values.of(directions.toHost())));
    }

    /** A function of the activation. */
    public static Intervention function(String point, GraphFunction function) {
        return function(point, function, Map.of());
    }

    /**
     * A function of the activation that reads tensors at hand: {@code scope.input(name, …)} gives it {@code
     * inputs.get(name)}, of the same data type and sizes.
     */
    public static Intervention function(String point, GraphFunction function, Map<String, Fed> inputs) {
        return at(point, new Function(function, inputs));
    }

    /** A function of the activation alone. */
    public static Intervention function(String point, UnaryOperator<Expr> function) {
        return function(point, (activation, scope) -> function.apply(activation));
    }

    /** The derivative stops there. */
    public static Intervention stopGradient(String point) {
        return at(point, new Stop());
    }

    // Where.

    /** The same, restricted. */
    public Intervention where(Selection.Which which, Selection.Places places) {
        return new Intervention(point, selection.and(which, places), action);
    }

    /** At these heads only; key/value heads where the point has those. */
    public Intervention heads(long... heads) {
        return where(Selection.Which.HEAD, places(heads));
    }

    /** At these columns only; −1 is the last column, padding or not. */
    public Intervention positions(long... positions) {
        return where(Selection.Which.POS, places(positions));
    }

    /** In scores and patterns, at these columns that are looked at only. */
    public Intervention keys(long... keys) {
        return where(Selection.Which.KEY, places(keys));
    }

    /** At each sequence's last real position only. */
    public Intervention lastReal() {
        return where(Selection.Which.POS, new Selection.LastReal());
    }

    /** At one position of each sequence. */
    public Intervention positionOfEachRow(long... positions) {
        return where(Selection.Which.POS, new Selection.EachRow(list(positions)));
    }

    /**
     * At these real tokens of each prompt only, counted from its first one (BOS, where there is one), or from its last one
     * if negative; padding doesn't count, and in a generation neither does what is generated.
     */
    public Intervention promptPositions(long... positions) {
        return where(Selection.Which.POS, new Selection.OfPrompt(list(positions)));
    }

    /** Where a token stands, by its text. */
    public Intervention positionsOf(String token) {
        return where(Selection.Which.POS, new Selection.OfToken(token));
    }

    /** In these sequences of the batch only. */
    public Intervention rows(long... rows) {
        return where(Selection.Which.BATCH, places(rows));
    }

    /** At these places of the last axis only: neurons, features. */
    public Intervention indices(long... indices) {
        return where(Selection.Which.DIM, places(indices));
    }

    private static Selection.Places places(long... places) {
        return new Selection.At(list(places));
    }

    private static List<Long> list(long... numbers) {
        List<Long> list = new ArrayList<>();
        for (long number : numbers) {
            list.add(number);
        }
        return list;
    }

    @Override
    public HookFilter points() {
        boolean pattern = point.indexOf('*') >= 0 || point.indexOf('?') >= 0 || point.indexOf(',') >= 0;
        return pattern ? HookFilter.glob(point) : HookFilter.names(point);
    }

    // As text and as JSON.

    /**
     * Reads a text such as {@code blocks.2.attn.hook_z[:, -1, 3] = 0}.
     *
     * @throws IllegalArgumentException if it can't be understood; shows where, and what would be right
     */
    public static Intervention parse(String text) {
        return new InterventionText(text).parse();
    }

    /**
     * The text from which {@link #parse} makes this again, for everything but functions and patches from memory, whose
     * text only tells what they are.
     */
    @Override
    public String toString() {
        return InterventionText.write(this);
    }

    /**
     * As JSON, from which {@link #fromJson} makes this again.
     *
     * @throws IllegalStateException if the action is a function, or a patch from memory: they can't be written down
     */
    public String toJson() {
        return InterventionJson.write(this);
    }

    /**
     * Reads what {@link #toJson} wrote.
     *
     * @throws IllegalArgumentException if it isn't that; says what is wrong
     */
    public static Intervention fromJson(String json) {
        return InterventionJson.read(json);
    }

    /**
     * Reads a file of interventions: one as {@link #toJson} has it, or a list of them. Files that they name are those beside
     * it, unless they are named from the root.
     *
     * @throws UncheckedIOException if it can't be read
     * @throws IllegalArgumentException if it holds something else; names it and says what is wrong
     */
    public static List<Intervention> read(Path file) {
        return InterventionFile.read(file);
    }

    /**
     * Writes interventions to a file that {@link #read} reads, whole or not at all. One that exists is replaced.
     *
     * @throws UncheckedIOException if it can't be written
     * @throws IllegalStateException if one of them can't be written down, as {@link #toJson} tells
     */
    public static void write(Path file, List<Intervention> interventions) {
        InterventionFile.write(file, interventions);
    }
}
