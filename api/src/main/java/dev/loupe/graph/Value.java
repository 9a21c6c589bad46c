package dev.loupe.graph;

import java.util.List;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/** A value in a {@link Graph}: its type, the region it belongs to, and where it comes from. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Value {

    /** Where a value comes from. */
    public sealed interface Source {}

    /** Fed when the graph runs. */
    public record Input(String name) implements Source {}

    /** A weight of the model. */
    public record Weight(String name) implements Source {}

    /** One output of an operation. */
    public record Result(Op op, List<Value> inputs, int output) implements Source {}

    /** What leaves a hook point: {@code input} itself, or what the hooks there make of it. */
    public record Hooked(HookPoint point, Value input) implements Source {}

    /**
     * What Java code makes of {@code input} at a hook point: opaque, so that a run is divided there.
     *
     * @param number which of the point's pieces of code it is, counted in the order in which they run
     */
    public record Callback(HookPoint point, int number, Value input) implements Source {}

    /** {@code input} itself, through which no derivative flows. */
    public record Stop(Value input) implements Source {}

    private final int id;
    private final TensorType type;
    private final String region;
    private final Source source;

    Value(int id, TensorType type, String region, Source source) {
        this.id = id;
        this.type = type;
        this.region = region;
        this.source = source;
    }

    /** The number of this value: values are numbered in an order in which they can be computed. */
    public int id() {
        return id;
    }

    /** Data type and sizes. */
    public TensorType type() {
        return type;
    }

    /** The region of the graph in which the value was made: {@code embed}, {@code blocks.3}, {@code unembed}. */
    public String region() {
        return region;
    }

    /** Where the value comes from. */
    public Source source() {
        return source;
    }

    /** The values from which this one is made; none for inputs and weights. */
    public List<Value> operands() {
        if (source instanceof Result result) {
            return result.inputs();
        } else if (source instanceof Hooked hooked) {
            return List.of(hooked.input());
        } else if (source instanceof Callback callback) {
            return List.of(callback.input());
        } else if (source instanceof Stop stop) {
            return List.of(stop.input());
        }
        return List.of();
    }

    /**
     * All outputs of the operation that gives this one, in their order; this one alone if no operation does.
     *
     * @param values all values of the graph, by their numbers: outputs of one operation stand side by side
     */
    public List<Value> siblings(List<Value> values) {
        if (!(source instanceof Result result)) {
            return List.of(this);
        }
        int first = id - result.output();
        int end = first + 1;
        while (end < values.size() && values.get(end).source instanceof Result next && next.output() == end - first) {
            end++;
        }
        return List.copyOf(values.subList(first, end));
    }

    /** The value that was computed, fed or returned by code: a hook point is but another name for what passes it. */
    public Value behindHooks() {
        Value value = this;
        while (value.source instanceof Hooked || value.source instanceof Stop) {
            value = value.operands().get(0);
        }
        return value;
    }

    /** For example {@code %12 = add(%10, %11) : float32 [batch, pos, 768]}. */
    @Override
    public String toString() {
        return "%" + id + " = " + describe() + " : " + type;
    }

    private String describe() {
        if (source instanceof Input input) {
            return "input " + input.name();
        } else if (source instanceof Weight weight) {
            return "weight " + weight.name();
        } else if (source instanceof Hooked hooked) {
            return "hook " + hooked.point() + "(%" + hooked.input().id + ")";
        } else if (source instanceof Callback callback) {
            return "callback " + callback.number() + " at " + callback.point() + "(%" + callback.input().id + ")";
        }
        if (source instanceof Stop stop) {
            return "stop(%" + stop.input().id + ")";
        }
        Result result = (Result) source;
        String operands =
                result.inputs().stream().map(operand -> "%" + operand.id).collect(Collectors.joining(", "));
        return result.op() + "(" + operands + ")" + (result.output() == 0 ? "" : "#" + result.output());
    }
}
