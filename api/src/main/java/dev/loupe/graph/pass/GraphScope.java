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
import org.jspecify.annotations.Nullable;

/** What a function can reach in a graph that is being built: everything that has been built so far. */
class GraphScope implements Scope {

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

    /** The graph's own input of a name; null if it has none. */
    @Nullable
    Value knownInput(String name) {
        return builder.inputs().get(name);
    }

    /** The graph's own weight of a name; null if it has none. */
    @Nullable
    Value knownWeight(String name) {
        return builder.weights().get(name);
    }

    @Override
    public Expr input(String name, DType dtype, Dim... sizes) {
        Value known = knownInput(name);
        Value input = known == null ? builder.input(name, dtype, sizes) : known;
        TensorType type = TensorType.of(dtype, sizes);
        if (!input.type().equals(type)) {
            throw new IllegalArgumentException(
                    "The graph's input '" + name + "' is " + input.type() + ", asked for as " + type);
        }
        return new Expr(builder, input);
    }

    @Override
    public Expr weight(String name, DType dtype, long... sizes) {
        Value known = knownWeight(name);
        Value weight = known == null ? builder.weight(name, dtype, sizes) : known;
        // Weights that are only stored in 16 bits are widened where they are used.
        boolean onlyStored = weight.type().dtype().isSixteenBits() && dtype == DType.FLOAT32;
        return new Expr(builder, onlyStored ? builder.cast(weight, dtype) : weight);
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
