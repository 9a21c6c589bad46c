package dev.loupe.model;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Scope;
import org.jspecify.annotations.Nullable;

/**
 * A scope in which something else stands for some inputs.
 *
 * @param scope everything else
 * @param source what stands for inputs
 */
record InputScope(Scope scope, Source source) implements Scope {

    /** What stands for an input. */
    @FunctionalInterface
    interface Source {
        /** The value that is asked for as an input; null for an input of that name. */
        @Nullable
        Expr input(Scope scope, String name, DType dtype, Dim... sizes);
    }

    @Override
    public Expr value(String point) {
        return scope.value(point);
    }

    @Override
    public Expr input(String name, DType dtype, Dim... sizes) {
        Expr given = source.input(scope, name, dtype, sizes);
        return given == null ? scope.input(name, dtype, sizes) : given;
    }

    @Override
    public Expr weight(String name, DType dtype, long... sizes) {
        return scope.weight(name, dtype, sizes);
    }

    @Override
    public Expr constant(String name, HostTensor numbers) {
        return scope.constant(name, numbers);
    }

    @Override
    public Expr hook(HookPoint point, Expr value) {
        return scope.hook(point, value);
    }
}
