package dev.loupe.graph.pass;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Scope;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.graph.Value;

/** What a function at the end of a graph can reach: everything. */
final class GraphScope implements Scope {

    private final GraphBuilder builder;

    GraphScope(GraphBuilder builder) {
        this.builder = builder;
    }

    @Override
    public Expr value(String point) {
        Value value = builder.hooks().get(point);
        if (value == null) {
            throw new UnknownHookException("The graph has no hook point '" + point + "'; near are "
                    + Nearest.to(point, builder.hooks().keySet(), 3));
        }
        return new Expr(builder, value);
    }

    @Override
    public Expr input(String name, DType dtype, Dim... sizes) {
        Value known = builder.inputs().get(name);
        TensorType type = TensorType.of(dtype, sizes);
        if (known != null && !known.type().equals(type)) {
            throw new IllegalArgumentException(
                    "The graph's input '" + name + "' is " + known.type() + ", asked for as " + type);
        }
        return new Expr(builder, known == null ? builder.input(name, dtype, sizes) : known);
    }

    @Override
    public Expr weight(String name, DType dtype, long... sizes) {
        Value known = builder.weights().get(name);
        return new Expr(builder, known == null ? builder.weight(name, dtype, sizes) : known);
    }

    @Override
    public Expr constant(String name, HostTensor numbers) {
        Value known = builder.weights().get(name);
        return new Expr(builder, known == null ? builder.constant(name, numbers) : known);
    }

    @Override
    public Expr hook(HookPoint point, Expr value) {
        return new Expr(builder, builder.hook(point, value.value()));
    }
}
