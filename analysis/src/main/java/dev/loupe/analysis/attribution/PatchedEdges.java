package dev.loupe.analysis.attribution;

import dev.loupe.architecture.StandardNames;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.Scope;
import java.util.ArrayList;
import java.util.List;

/**
 * What readers are told when some edges to them are patched: their input, with the difference between what the corrupted run
 * and this run has for each patched writer. Which edges are patched is fed.
 *
 * @param writers where the writers before the readers write, in the order of all writers
 * @param all how many writers the model has
 * @param heads whether there is a reader for each head, [batch, pos, head, d_model]
 */
record PatchedEdges(List<ModelParts.PartsAtPoint> writers, int all, boolean heads) implements GraphFunction {

    /** What the corrupted run's writers added to the residual stream, [batch, pos, writer, d_model], later ones too. */
    static final String CORRUPTED = "corrupted";

    /** 1 where the edge is patched, 0 elsewhere, [reader, writer]. */
    static final String PATCHED = "patched";

    /** Copies the list. */
    PatchedEdges {
        writers = List.copyOf(writers);
    }

    @Override
    public Expr apply(Expr x, Scope scope) {
        List<Expr> added = new ArrayList<>();
        Dim width = x.size(-1);
        for (ModelParts.PartsAtPoint writer : writers) {
            Expr value = scope.value(writer.point());
            String norm = writer.norm();
            if (norm != null) {
                value = value.div(scope.value(norm + ".hook_scale").unsqueeze(2))
                        .mul(scope.weight(norm + ".w", x.dtype(), width.value()));
            }
            added.add(writer.heads() ? value : value.unsqueeze(2));
        }
        Expr now = Expr.concat(2, added);
        long count = now.size(2).value();
        Expr corrupted = scope.input(CORRUPTED, x.dtype(), StandardNames.BATCH, StandardNames.POS, Dim.of(all), width)
                .slice(2, 0, count);
        Expr patched = scope.input(PATCHED, x.dtype(), heads ? x.size(2) : Dim.of(1), Dim.of(count));
        Expr difference = patched.matmul(corrupted.sub(now));
        return x.add(heads ? difference : difference.squeeze(2));
    }
}
