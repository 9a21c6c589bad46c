package dev.loupe.graph;

import java.util.List;

/** A value in a {@link Graph}: its type, the region it belongs to, and where it comes from. */
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

    @Override
    public String toString() {
        return "%" + id + " = " + source + " : " + type;
    }
}
