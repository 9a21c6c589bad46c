package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.Op;
import dev.loupe.graph.Scope;
import dev.loupe.graph.pass.ChosenRows;
import java.util.List;

/**
 * A metric as part of a graph: equal for all metrics of its kind, since token ids, positions and other runs' logits are
 * fed.
 *
 * @param atEnd whether it looks at the last column of every row
 * @param eachRow whether each row has a token of its own
 * @param detail a function of the user's; the empty string if there is none
 */
record MetricFunction(Kind kind, Metric.Place place, boolean atEnd, boolean eachRow, boolean perRow, Object detail)
        implements GraphFunction {

    static final String ANSWERS = "metric.answers";
    static final String WRONG = "metric.wrong";
    static final String COLUMNS = "metric.columns";
    static final String WEIGHTS = "metric.weights";
    static final String OTHER = "metric.other";

    /** What is measured. */
    enum Kind {
        LOGIT_DIFFERENCE,
        LOGIT,
        LOG_PROBABILITY,
        KL_DIVERGENCE,
        LOSS,
        OWN_OF_LOGITS,
        OWN_OF_POINTS
    }

    @Override
    public Expr apply(Expr activation, Scope scope) {
        if (detail instanceof GraphFunction own) {
            return own.apply(activation, scope);
        }
        DType wide = Metric.wide(activation.dtype());
        if (kind == Kind.LOSS) {
            return loss(activation, scope);
        }
        Expr logits = chosen(activation, scope).to(wide);
        Expr values = values(logits, scope, activation);
        if (place == Metric.Place.EVERYWHERE) {
            Expr weights = scope.input(WEIGHTS, wide, StandardNames.BATCH, activation.size(1));
            values = values.mul(weights).sum(1);
        }
        return perRow ? values : values.mean();
    }

    // Weights make a mean of the sum: over all pairs of real tokens, or over those of each row.
    private Expr loss(Expr perToken, Scope scope) {
        return perRow
                ? perToken.sum(1).mul(scope.input(WEIGHTS, perToken.dtype(), StandardNames.BATCH))
                : perToken.sum().mul(scope.input(WEIGHTS, perToken.dtype()));
    }

    /** The row of logits that is looked at in each sequence, [batch, d_vocab]; all of them if it is everywhere. */
    private Expr chosen(Expr logits, Scope scope) {
        if (place == Metric.Place.EVERYWHERE) {
            return logits;
        } else if (atEnd) {
            return ChosenRows.of(logits, all -> all.select(1, -1));
        }
        Expr columns = scope.input(COLUMNS, DType.INT64, StandardNames.BATCH, Dim.of(1));
        return ChosenRows.of(logits, all -> {
            Expr wide = columns.unsqueeze(-1).expand(-1, -1, all.size(2).value());
            return all.gatherElements(1, wide).squeeze(1);
        });
    }

    private Expr values(Expr logits, Scope scope, Expr all) {
        return switch (kind) {
            case LOGIT_DIFFERENCE -> picked(logits, ANSWERS, scope).sub(picked(logits, WRONG, scope));
            case LOGIT -> picked(logits, ANSWERS, scope);
            case LOG_PROBABILITY -> picked(logits.logSoftmax(-1), ANSWERS, scope);
            case KL_DIVERGENCE -> {
                Expr other = scope.input(OTHER, all.dtype(), all.type().dims());
                Expr p = chosen(other, scope).to(logits.dtype()).logSoftmax(-1);
                yield p.exp().mul(p.sub(logits.logSoftmax(-1))).sum(-1);
            }
            case LOSS, OWN_OF_LOGITS, OWN_OF_POINTS -> throw new IllegalStateException(kind + " picks no logits");
        };
    }

    /** The number of a token at the end of the last axis, which is dropped. */
    private Expr picked(Expr numbers, String name, Scope scope) {
        if (!eachRow) {
            return numbers.gather(-1, scope.input(name, DType.INT64));
        }
        Expr ids = scope.input(name, DType.INT64, StandardNames.BATCH, Dim.of(1));
        if (numbers.rank() == 3) {
            Expr like = numbers.slice(2, 0, 1);
            ids = ids.unsqueeze(-1)
                    .applyAll(new Op.BroadcastLike(), List.of(like))
                    .get(0);
        }
        return numbers.gatherElements(-1, ids).squeeze(-1);
    }
}
