package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.graph.Expr;
import dev.loupe.graph.Op;
import dev.loupe.graph.Scope;
import dev.loupe.hook.Selection;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** What follows from a run's tokens and padding, worked out in the graph; a run of Loupe's feeds it instead. */
final class StandalonePositions {

    private StandalonePositions() {}

    /** Int64 [pos]: 0, 1, … */
    private static Expr index(Scope scope) {
        return scope.input(StandardNames.QUERY_INDEX, DType.INT64, StandardNames.POS);
    }

    /** Int64 [1]: how many there are. */
    private static Expr count(Expr index) {
        return index.max(0).unsqueeze(0).add(1);
    }

    /** Int64 [1]: a place, where negative ones count from the end. */
    private static Expr place(Expr index, long place) {
        return place < 0
                ? count(index).add((double) place)
                : count(index).mul(0).add((double) place);
    }

    /** Int64 [batch, 1]: a position, the last real one of each sequence for null. */
    static Expr column(Scope scope, @Nullable Integer position) {
        Expr last = scope.lastReal().unsqueeze(1);
        return position == null ? last : last.mul(0).add(place(index(scope), position));
    }

    /** [batch, pos]: the share of each real position in the mean over its sequence, 0 at padding. */
    static Expr onePerReal(Scope scope, DType dtype) {
        Expr real = scope.mask().to(dtype);
        return real.div(real.sum(1).maximum(1).unsqueeze(1));
    }

    /** One over the number of neighbours that are both real: of all sequences, or of each, [batch]. */
    static Expr onePerPair(Scope scope, DType dtype, boolean perRow) {
        Expr real = scope.mask().to(dtype);
        Expr pairs = real.slice(1, 0, -1).mul(real.slice(1, 1, Op.Slice.TO_END));
        return (perRow ? pairs.sum(1) : pairs.sum()).maximum(1).reciprocal();
    }

    /**
     * Whether each place of an axis of positions is chosen: bool [pos], or [batch, pos].
     *
     * @param token the id of a text
     * @return null if the choice names a position for each of so many sequences
     */
    static @Nullable Expr positions(Scope scope, Selection.Places places, ToLongFunction<String> token) {
        Expr index = index(scope);
        if (places instanceof Selection.LastReal) {
            return scope.lastReal().unsqueeze(1).eq(index.unsqueeze(0));
        } else if (places instanceof Selection.OfToken text) {
            Expr ids = scope.input(StandardNames.TOKENS, DType.INT64, StandardNames.BATCH, StandardNames.POS);
            return ids.eq((double) token.applyAsLong(text.token())).and(scope.mask());
        }
        if (places instanceof Selection.OfPrompt prompt) {
            return ofPrompt(scope, prompt);
        }
        return among(index, places);
    }

    /** A model that stands alone has no prompt but the tokens that it is given. */
    private static @Nullable Expr ofPrompt(Scope scope, Selection.OfPrompt places) {
        Expr real = scope.mask().to(DType.INT64);
        Expr count = real.sum(1).unsqueeze(1);
        Expr number = real.cumsum(1).sub(1);
        Expr any = null;
        for (long place : places.places()) {
            Expr wanted = place < 0 ? count.add((double) place) : count.mul(0).add((double) place);
            Expr here = number.eq(wanted).and(scope.mask());
            any = any == null ? here : any.or(here);
        }
        return any;
    }

    /** Whether each sequence of the batch is chosen: bool [batch]; null as above. */
    static @Nullable Expr rows(Scope scope, Selection.Places places) {
        Expr one = scope.mask().select(1, 0).to(DType.INT64).mul(0).add(1);
        return among(one.cumsum(0).sub(1), places);
    }

    private static @Nullable Expr among(Expr index, Selection.Places places) {
        if (places instanceof Selection.At at) {
            Expr any = null;
            for (long one : at.places()) {
                Expr here = index.eq(place(index, one));
                any = any == null ? here : any.or(here);
            }
            return any;
        } else if (places instanceof Selection.Range range) {
            Expr start = range.start() < 0 ? place(index, range.start()).maximum(0) : place(index, range.start());
            Expr within = index.ge(start);
            if (range.end() != Long.MAX_VALUE) {
                within = within.and(index.lt(place(index, range.end())));
            }
            if (range.step() == 1) {
                return within;
            }
            Expr steps = index.sub(start).to(DType.FLOAT32);
            Expr rest = steps.sub(steps.div((double) range.step()).floor().mul((double) range.step()));
            return within.and(rest.eq(0));
        }
        return null;
    }
}
