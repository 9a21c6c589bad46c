package dev.loupe.graph;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import org.apiguardian.api.API;

/** What a {@link GraphFunction} can reach beside the activation that it is applied to. */
@API(status = API.Status.STABLE, since = "0.1")
public interface Scope {

    /** Input bool [batch, pos]: false at padding. */
    String TOKEN_MASK = "token_mask";

    /**
     * What leaves a hook point that fires earlier.
     *
     * @param point full name
     * @throws UnknownHookException if there is no such point
     * @throws IllegalArgumentException if the point fires later
     */
    Expr value(String point);

    /**
     * A value that is fed at each run: the graph's own input of that name, or a new one.
     *
     * @throws IllegalArgumentException if the graph has an input of that name and another type
     */
    Expr input(String name, DType dtype, Dim... sizes);

    /** A weight by name: the model's own, or a new one that whoever runs the graph provides. */
    Expr weight(String name, DType dtype, long... sizes);

    /** A weight whose numbers come with the graph; one name stands for the same numbers. */
    Expr constant(String name, HostTensor numbers);

    /** A hook point at a value, on the way of every run: what leaves it is returned. */
    Expr hook(HookPoint point, Expr value);

    /** Bool [batch, pos]: false at padding. */
    default Expr mask() {
        return input(TOKEN_MASK, DType.BOOL, Dim.symbol("batch"), Dim.symbol("pos"));
    }

    /** Int64 [batch]: the column of each row's last real token, whatever side is padded. */
    default Expr lastReal() {
        // The count of real tokens reaches its largest value first at the last of them.
        return mask().to(DType.FLOAT32).cumsum(1).argmax(1);
    }
}
