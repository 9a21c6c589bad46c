package dev.loupe.graph;

import dev.loupe.array.Axes;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * Builds a {@link Graph}. Every method checks its arguments at once by the op's type rule, so a mistake
 * shows up on the line that makes it. Axes may be negative here. Not safe for several threads.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class GraphBuilder {

    private final List<Value> values = new ArrayList<>();
    private final Map<String, Value> inputs = new LinkedHashMap<>();
    private final Map<String, Value> weights = new LinkedHashMap<>();
    private final Map<String, HostTensor> constants = new LinkedHashMap<>();
    private final Map<String, Value> hooks = new LinkedHashMap<>();
    private final Map<String, Value> outputs = new LinkedHashMap<>();
    private final List<Value[]> pendingShortcuts = new ArrayList<>();
    private final List<Shortcut.Kind> shortcutKinds = new ArrayList<>();
    private final List<Shortcut> knownShortcuts = new ArrayList<>();
    private final List<String> regions = new ArrayList<>();
    private final Map<String, String> homes = new LinkedHashMap<>();
    private String region = "";

    /** An empty graph. */
    public GraphBuilder() {}

    /**
     * Starts a region: a natural unit such as the embedding, a block or the unembedding, which a compiling
     * backend prepares as one piece. What is built from here on belongs to it.
     *
     * @throws IllegalArgumentException if the name was used before
     */
    public GraphBuilder region(String name) {
        if (regions.contains(name)) {
            throw new IllegalArgumentException("Region '" + name + "' was started before");
        }
        regions.add(name);
        region = name;
        return this;
    }

    /** Goes on in a region, which is started if it is new: for rewriting a graph. */
    public GraphBuilder in(String name) {
        if (!name.equals(region) && !homes.containsKey(name) && !regions.contains(name)) {
            regions.add(name);
        }
        region = name;
        return this;
    }

    /**
     * Goes on in a region that runs where another one does, as the backward part of a block does: see {@link
     * Graph#homeOf}.
     *
     * @throws IllegalArgumentException if there is a region of that name that is nobody's guest
     */
    public GraphBuilder beside(String home, String name) {
        if (regions.contains(name)) {
            throw new IllegalArgumentException("Region '" + name + "' was started before, with a place of its own");
        }
        homes.put(name, home);
        region = name;
        return this;
    }

    /** A value that is fed by name. */
    public Value input(String name, DType dtype, Dim... dims) {
        return named(inputs, name, TensorType.of(dtype, dims), new Value.Input(name));
    }

    /** A weight of fixed sizes. */
    public Value weight(String name, DType dtype, long... sizes) {
        Value known = weights.get(name);
        if (known != null) {
            return known;
        }
        return named(weights, name, TensorType.of(dtype, Shape.of(sizes)), new Value.Weight(name));
    }

    /**
     * A weight whose numbers are no checkpoint's but follow from the config, such as rotary frequencies: the
     * graph brings them along ({@link Graph#constants}), and whoever runs it uploads them with the weights.
     * One name stands for the same numbers in every graph of a model.
     *
     * @throws IllegalArgumentException if the graph has a weight of that name already
     */
    public Value constant(String name, HostTensor numbers) {
        TensorType type = TensorType.of(numbers.dtype(), numbers.shape());
        Value value = named(weights, name, type, new Value.Weight(name));
        constants.put(name, numbers);
        return value;
    }

    /**
     * A hook point that lies on the way of every run.
     *
     * @param axes what each axis counts; left out, it is read off the sizes as far as they tell: {@code batch}, {@code
     *     pos}
     * @throws IllegalArgumentException if there are axes, but not one for each axis of the value
     */
    public Value hook(String name, Value input, Axis... axes) {
        return hook(new HookPoint(name, false, axesOf(name, input, axes)), input);
    }

    /** A hook point. */
    public Value hook(HookPoint point, Value input) {
        return named(hooks, point.name(), input.type(), new Value.Hooked(point, input));
    }

    /** As {@link #hook(String, Value, Axis...)}, off the way that a plain run takes: see {@link #shortcut}. */
    public Value optionalHook(String name, Value input, Axis... axes) {
        return hook(new HookPoint(name, true, axesOf(name, input, axes)), input);
    }

    private static List<Axis> axesOf(String name, Value input, Axis... axes) {
        int rank = input.type().rank();
        if (axes.length == rank) {
            return List.of(axes);
        } else if (axes.length > 0) {
            throw new IllegalArgumentException("The hook point '" + name + "' is given the axes "
                    + Arrays.toString(axes) + ", its value is " + input.type());
        }
        List<Axis> guessed = new ArrayList<>();
        for (Dim dim : input.type().dims()) {
            guessed.add(
                    switch (dim.soleSymbol()) {
                        case "batch" -> Axis.BATCH;
                        case "pos" -> guessed.contains(Axis.POS) ? Axis.KEY : Axis.POS;
                        default -> dim.is(1) ? Axis.SINGLE : Axis.OTHER;
                    });
        }
        return guessed;
    }

    /** What Java code makes of a value at a hook point. */
    public Value callback(HookPoint point, int number, Value input) {
        return add(input.type(), new Value.Callback(point, number, input));
    }

    /** The value itself, through which no derivative flows. */
    public Value stop(Value input) {
        return add(input.type(), new Value.Stop(input));
    }

    /**
     * A value of another graph, made from operands of this one: in the same region, and of the same type as far as the
     * operands' types are the same.
     */
    public Value copy(Value original, List<Value> operands) {
        in(original.region());
        Value.Source source = original.source();
        if (source instanceof Value.Input input) {
            return named(inputs, input.name(), original.type(), source);
        } else if (source instanceof Value.Weight weight) {
            return named(weights, weight.name(), original.type(), source);
        } else if (source instanceof Value.Hooked hooked) {
            Value input = operands.get(0);
            return named(hooks, hooked.point().name(), input.type(), new Value.Hooked(hooked.point(), input));
        } else if (source instanceof Value.Callback callback) {
            return callback(callback.point(), callback.number(), operands.get(0));
        } else if (source instanceof Value.Stop) {
            return stop(operands.get(0));
        }
        Value.Result result = (Value.Result) source;
        boolean sameTypes = true;
        for (int i = 0; i < operands.size(); i++) {
            sameTypes &= operands.get(i).type().equals(result.inputs().get(i).type());
        }
        TensorType type = sameTypes
                ? original.type()
                : result.op().infer(operands.stream().map(Value::type).toList()).get(result.output());
        return add(type, new Value.Result(result.op(), List.copyOf(operands), result.output()));
    }

    /** Takes over a shortcut whose values were copied into this graph. */
    public GraphBuilder shortcut(Shortcut copied) {
        knownShortcuts.add(copied);
        return this;
    }

    /** The values so far, in the order in which they were made; a view. */
    public List<Value> values() {
        return Collections.unmodifiableList(values);
    }

    /** The values so far, by hook point. */
    public Map<String, Value> hooks() {
        return Collections.unmodifiableMap(hooks);
    }

    /** The weights so far, by name. */
    public Map<String, Value> weights() {
        return Collections.unmodifiableMap(weights);
    }

    /** The inputs so far, by name. */
    public Map<String, Value> inputs() {
        return Collections.unmodifiableMap(inputs);
    }

    /** The outputs so far, by name. */
    public Map<String, Value> outputs() {
        return Collections.unmodifiableMap(outputs);
    }

    /** Names a value as an output of the graph. */
    public GraphBuilder output(String name, Value value) {
        if (outputs.putIfAbsent(name, value) != null) {
            throw new IllegalArgumentException("The graph has an output '" + name + "' already");
        }
        return this;
    }

    /**
     * Declares that {@code replacement} equals {@code target} while nobody interferes at the hook points
     * between, and returns the target for use in what follows.
     *
     * @throws IllegalArgumentException if the two differ in type
     */
    public Value shortcut(Value target, Value replacement, Shortcut.Kind kind) {
        if (!target.type().equals(replacement.type())) {
            throw new IllegalArgumentException(
                    "A shortcut needs two values of one type, got " + target.type() + " and " + replacement.type());
        }
        pendingShortcuts.add(new Value[] {target, replacement});
        shortcutKinds.add(kind);
        return target;
    }

    /**
     * Applies an op with one output.
     *
     * @throws IllegalArgumentException if the inputs don't fit the op
     */
    public Value apply(Op op, Value... operands) {
        List<Value> results = applyAll(op, List.of(operands));
        if (results.size() != 1) {
            throw new IllegalArgumentException(op + " has " + results.size() + " outputs; use applyAll");
        }
        return results.get(0);
    }

    /**
     * Applies an op.
     *
     * @throws IllegalArgumentException if the inputs don't fit the op
     */
    public List<Value> applyAll(Op op, List<Value> operands) {
        List<TensorType> types = op.infer(operands.stream().map(Value::type).toList());
        List<Value> results = new ArrayList<>();
        for (int i = 0; i < types.size(); i++) {
            results.add(add(types.get(i), new Value.Result(op, List.copyOf(operands), i)));
        }
        return results;
    }

    /** The finished graph. */
    public Graph build() {
        List<Shortcut> shortcuts = new ArrayList<>(knownShortcuts);
        for (int i = 0; i < pendingShortcuts.size(); i++) {
            Value target = pendingShortcuts.get(i)[0];
            Value replacement = pendingShortcuts.get(i)[1];
            Set<String> full = hooksBefore(target);
            Set<String> brief = hooksBefore(replacement);
            Set<String> bypassed = new LinkedHashSet<>(full);
            bypassed.removeAll(brief);
            brief.removeAll(full);
            shortcuts.add(new Shortcut(target, replacement, bypassed, brief, shortcutKinds.get(i)));
        }
        return new Graph(
                List.copyOf(values),
                Collections.unmodifiableMap(new LinkedHashMap<>(inputs)),
                Collections.unmodifiableMap(new LinkedHashMap<>(weights)),
                Collections.unmodifiableMap(new LinkedHashMap<>(constants)),
                Collections.unmodifiableMap(new LinkedHashMap<>(hooks)),
                Collections.unmodifiableMap(new LinkedHashMap<>(outputs)),
                List.copyOf(shortcuts),
                List.copyOf(regions),
                Collections.unmodifiableMap(new LinkedHashMap<>(homes)));
    }

    private Set<String> hooksBefore(Value value) {
        Set<String> names = new LinkedHashSet<>();
        BitSet seen = new BitSet();
        List<Value> open = new ArrayList<>(List.of(value));
        while (!open.isEmpty()) {
            Value next = open.remove(open.size() - 1);
            if (seen.get(next.id())) {
                continue;
            }
            seen.set(next.id());
            if (next.source() instanceof Value.Hooked hooked) {
                names.add(hooked.point().name());
            }
            open.addAll(next.operands());
        }
        return names;
    }

    private Value named(Map<String, Value> map, String name, TensorType type, Value.Source source) {
        if (map.containsKey(name)) {
            throw new IllegalArgumentException("The graph has a '" + name + "' already");
        }
        Value value = add(type, source);
        map.put(name, value);
        return value;
    }

    private Value add(TensorType type, Value.Source source) {
        if (region.isEmpty()) {
            throw new IllegalStateException("Start a region before adding values");
        }
        Value value = new Value(values.size(), type, region, source);
        values.add(value);
        return value;
    }

    // Shorthands for the ops that architectures use most.

    /** A constant of rank 0 with the data type of {@code like}. */
    public Value scalar(double number, Value like) {
        return apply(new Op.Full(like.type().dtype(), Shape.SCALAR, number));
    }

    /** {@code a + b}. */
    public Value add(Value a, Value b) {
        return apply(new Op.Binary(Op.BinaryKind.ADD), a, b);
    }

    /** {@code a - b}. */
    public Value sub(Value a, Value b) {
        return apply(new Op.Binary(Op.BinaryKind.SUB), a, b);
    }

    /** {@code a · b}, elementwise. */
    public Value mul(Value a, Value b) {
        return apply(new Op.Binary(Op.BinaryKind.MUL), a, b);
    }

    /** {@code a / b}, elementwise. */
    public Value div(Value a, Value b) {
        return apply(new Op.Binary(Op.BinaryKind.DIV), a, b);
    }

    /** An elementwise function of two inputs. */
    public Value binary(Op.BinaryKind kind, Value a, Value b) {
        return apply(new Op.Binary(kind), a, b);
    }

    /** An elementwise function of one input. */
    public Value unary(Op.UnaryKind kind, Value x) {
        return apply(new Op.Unary(kind), x);
    }

    /** {@code condition ? a : b}, elementwise. */
    public Value where(Value condition, Value a, Value b) {
        return apply(new Op.Where(), condition, a, b);
    }

    /** Matrix product over the last two axes. */
    public Value matmul(Value a, Value b) {
        return apply(new Op.MatMul(), a, b);
    }

    /** {@code x·W + b}. */
    public Value linear(Value x, Value weight, Value bias) {
        return apply(new Op.Linear(), x, weight, bias);
    }

    /** Reduces one axis, which is kept with size 1. */
    public Value reduce(Op.ReduceKind kind, Value x, int axis) {
        return apply(new Op.Reduce(kind, List.of(axis(x, axis)), true), x);
    }

    /** Reduces one axis, which is dropped. */
    public Value reduceAndDrop(Op.ReduceKind kind, Value x, int axis) {
        return apply(new Op.Reduce(kind, List.of(axis(x, axis)), false), x);
    }

    /** Converts to another data type; nothing is added if the value has it already. */
    public Value cast(Value x, DType to) {
        return x.type().dtype() == to ? x : apply(new Op.Cast(to), x);
    }

    /** Splits an axis into several; one size may be −1. */
    public Value split(Value x, int axis, long... sizes) {
        List<Long> list = new ArrayList<>();
        for (long size : sizes) {
            list.add(size);
        }
        return apply(new Op.SplitAxis(axis(x, axis), list), x);
    }

    /** Merges {@code count} axes from {@code axis} on. */
    public Value merge(Value x, int axis, int count) {
        return apply(new Op.MergeAxes(axis(x, axis), count), x);
    }

    /** Inserts an axis of size 1, so that it becomes axis {@code at} of the result. */
    public Value unsqueeze(Value x, int at) {
        int rank = x.type().rank();
        int position = Axes.normalize(at, rank + 1);
        if (rank == 0) {
            return apply(new Op.Reshape(Shape.of(1)), x);
        }
        return position == rank ? split(x, rank - 1, -1, 1) : split(x, position, 1, -1);
    }

    /** Reorders axes: result axis i is axis {@code permutation[i]} of x. */
    public Value transpose(Value x, int... permutation) {
        return apply(new Op.Transpose(IntStream.of(permutation).boxed().toList()), x);
    }

    /** Repeats an axis of size 1. */
    public Value expand(Value x, int axis, long size) {
        List<Long> sizes = new ArrayList<>(Collections.nCopies(x.type().rank(), -1L));
        sizes.set(axis(x, axis), size);
        return apply(new Op.Expand(sizes), x);
    }

    /** {@code x[start:end]} along an axis, Python's meaning. */
    public Value slice(Value x, int axis, long start, long end) {
        return apply(new Op.Slice(axis(x, axis), start, end, 1), x);
    }

    /** Joins values along an axis. */
    public Value concat(int axis, Value... parts) {
        return apply(new Op.Concat(axis(parts[0], axis)), parts);
    }

    /** Picks entries of an axis by int64 indices. */
    public Value gather(Value data, int axis, Value indices) {
        return apply(new Op.Gather(axis(data, axis)), data, indices);
    }

    /** Softmax along an axis. */
    public Value softmax(Value x, int axis) {
        return apply(new Op.Softmax(axis(x, axis)), x);
    }

    private static int axis(Value x, int axis) {
        return Axes.normalize(axis, x.type().rank());
    }
}
