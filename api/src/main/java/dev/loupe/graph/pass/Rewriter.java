package dev.loupe.graph.pass;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Copies a graph, value by value in their order, and lets a rule say what takes a value's place. Names, regions,
 * outputs and shortcuts go along. What a rule leaves out must not be read by what it keeps.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Rewriter {

    /** Says what becomes of a value. */
    @FunctionalInterface
    public interface Rule {

        /**
         * The value in the new graph that takes an old one's place, {@link Rewriter#copy} for one that stays as it is;
         * null drops it.
         */
        @Nullable
        Value rewrite(Value old, Rewriter to);
    }

    private final Graph graph;
    private final GraphBuilder builder = new GraphBuilder();
    private final @Nullable Value[] copies;

    /** Copies the regions of a graph, and nothing in them yet. */
    Rewriter(Graph graph) {
        this.graph = graph;
        this.copies = new Value[graph.values().size()];
        graph.regions().forEach(builder::in);
        graph.homes().forEach((region, home) -> builder.beside(home, region));
    }

    /** Copies a whole graph by a rule. */
    public static Graph rewrite(Graph graph, Rule rule) {
        Rewriter rewriter = copy(graph, rule);
        rewriter.copyOutputs();
        rewriter.copyShortcuts();
        return rewriter.builder.build();
    }

    /** Copies the values of a graph by a rule; outputs and shortcuts are left to whoever calls. */
    static Rewriter copy(Graph graph, Rule rule) {
        Rewriter rewriter = new Rewriter(graph);
        rewriter.copyValues(rule);
        return rewriter;
    }

    void copyValues(Rule rule) {
        for (Value value : graph.values()) {
            builder.in(value.region());
            copies[value.id()] = rule.rewrite(value, this);
        }
    }

    void copyOutputs() {
        graph.outputs().forEach((name, value) -> builder.output(name, get(value)));
    }

    void copyShortcuts() {
        for (Shortcut shortcut : graph.shortcuts()) {
            copyShortcut(shortcut);
        }
    }

    void copyShortcut(Shortcut shortcut) {
        builder.shortcut(new Shortcut(
                get(shortcut.target()),
                get(shortcut.replacement()),
                shortcut.bypassed(),
                shortcut.exclusive(),
                shortcut.kind()));
    }

    /** The builder of the new graph, in the region of the value at hand. */
    public GraphBuilder builder() {
        return builder;
    }

    /** What took the place of an earlier value. */
    public Value get(Value old) {
        Value copy = copies[old.id()];
        if (copy == null) {
            throw new IllegalStateException(old + " is read, but was left out or comes later");
        }
        return copy;
    }

    /** The value as it is, made from what took its operands' places. */
    public Value copy(Value old) {
        return copy(old, this::get);
    }

    /** The value as it is, made from what {@code from} gives for each of its operands. */
    Value copy(Value old, UnaryOperator<Value> from) {
        if (old.source() instanceof Value.Weight weight) {
            HostTensor numbers = graph.constants().get(weight.name());
            return numbers == null ? builder.copy(old, List.of()) : builder.constant(weight.name(), numbers);
        }
        List<Value> operands = new ArrayList<>(old.operands().size());
        old.operands().forEach(operand -> operands.add(from.apply(operand)));
        return builder.copy(old, operands);
    }
}
