package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.Scope;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A number that says how a run turned out, as a function of the graph: what derivatives are taken of. It is computed
 * where the model runs, on every backend.
 *
 * <p>What is ready made looks at each sequence's last real position, unless {@link #at} or {@link #everywhere} says
 * otherwise, and is the mean over the batch; with {@link #perRow()} it is one number for each sequence. Logits in 16 bits
 * are widened to 32 first.
 *
 * <pre>{@code
 * Metric.logitDifference(model, " Mary", " John")                   // mean over the batch of logit a − logit b
 * Metric.logProbability(answers).perRow()                           // one number for each sequence
 * Metric.loss()                                                     // mean cross-entropy of the next token
 * Metric.of("entropy", logits -> …)                                 // your own, of logits
 * Metric.ofPoints("norm", scope -> scope.value("blocks.3.hook_resid_post").norm())
 * }</pre>
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Metric {

    private final String name;
    private final MetricFunction.Kind kind;
    private final long[] answers;
    private final long[] wrong;
    private final @Nullable Tensor other;
    private final @Nullable GraphFunction own;
    private final Place place;
    private final int column;
    private final boolean perRow;

    /** Where a metric looks at logits. */
    enum Place {
        LAST_REAL,
        COLUMN,
        EVERYWHERE
    }

    private Metric(
            String name,
            MetricFunction.Kind kind,
            long[] answers,
            long[] wrong,
            @Nullable Tensor other,
            @Nullable GraphFunction own,
            Place place,
            int column,
            boolean perRow) {
        this.name = name;
        this.kind = kind;
        this.answers = answers;
        this.wrong = wrong;
        this.other = other;
        this.own = own;
        this.place = place;
        this.column = column;
        this.perRow = perRow;
    }

    private static Metric ready(String name, MetricFunction.Kind kind, long[] answers, long[] wrong) {
        return new Metric(name, kind, answers, wrong, null, null, Place.LAST_REAL, 0, false);
    }

    // Ready made.

    /** Logit of a token minus that of another. */
    public static Metric logitDifference(long answer, long wrong) {
        return logitDifference(new long[] {answer}, new long[] {wrong});
    }

    /** Logit of each sequence's answer minus that of its wrong answer. */
    public static Metric logitDifference(long[] answers, long[] wrong) {
        if (answers.length != wrong.length) {
            throw new IllegalArgumentException(
                    "There are " + answers.length + " answers and " + wrong.length + " wrong ones; they go in pairs");
        }
        return ready("logit difference", MetricFunction.Kind.LOGIT_DIFFERENCE, answers.clone(), wrong.clone());
    }

    /**
     * Logit of a token minus that of another, by their texts.
     *
     * @throws IllegalArgumentException if a text is not one token
     */
    public static Metric logitDifference(HookedTransformer model, String answer, String wrong) {
        return logitDifference(model.toSingleToken(answer), model.toSingleToken(wrong));
    }

    /** Logit of a token. */
    public static Metric logit(long token) {
        return logit(new long[] {token});
    }

    /** Logit of each sequence's token. */
    public static Metric logit(long[] tokens) {
        return ready("logit", MetricFunction.Kind.LOGIT, tokens.clone(), new long[0]);
    }

    /** Natural logarithm of a token's probability. */
    public static Metric logProbability(long token) {
        return logProbability(new long[] {token});
    }

    /** Natural logarithm of the probability of each sequence's token. */
    public static Metric logProbability(long[] tokens) {
        return ready("log-probability", MetricFunction.Kind.LOG_PROBABILITY, tokens.clone(), new long[0]);
    }

    /**
     * Kullback–Leibler divergence of this run's distribution from another's, in nats: Σ p·(log p − log q), where p is the
     * other run's.
     *
     * @param logits of the other run, [batch, pos, d_vocab]; stays open and is read at each run
     */
    public static Metric klDivergence(Tensor logits) {
        return new Metric(
                "KL divergence",
                MetricFunction.Kind.KL_DIVERGENCE,
                new long[0],
                new long[0],
                logits,
                null,
                Place.LAST_REAL,
                0,
                false);
    }

    /** Mean cross-entropy of the next token over positions where both tokens are real; per row, that of each sequence. */
    public static Metric loss() {
        return ready("loss", MetricFunction.Kind.LOSS, new long[0], new long[0]);
    }

    // One's own.

    /**
     * A function of logits [batch, pos, d_vocab] (or at the positions that the run has them) and of whatever else the
     * graph has.
     *
     * @param name for messages
     * @param function gives one number, or one for each sequence: [batch]. Runs with equal functions share a plan
     */
    public static Metric of(String name, GraphFunction function) {
        return own(name, MetricFunction.Kind.OWN_OF_LOGITS, function);
    }

    /** A function of logits alone. */
    public static Metric of(String name, java.util.function.UnaryOperator<Expr> function) {
        return of(name, (logits, scope) -> function.apply(logits));
    }

    /** A function of values at hook points. */
    public static Metric ofPoints(String name, Function<Scope, Expr> function) {
        return own(name, MetricFunction.Kind.OWN_OF_POINTS, (ignored, scope) -> function.apply(scope));
    }

    private static Metric own(String name, MetricFunction.Kind kind, GraphFunction function) {
        return new Metric(name, kind, new long[0], new long[0], null, function, Place.LAST_REAL, 0, false);
    }

    // Variants.

    /** The same at one position; negative ones count from the end. */
    public Metric at(int position) {
        return placed(Place.COLUMN, position);
    }

    /** The same as a mean over each sequence's real positions. */
    public Metric everywhere() {
        return placed(Place.EVERYWHERE, 0);
    }

    private Metric placed(Place where, int position) {
        if (own != null || kind == MetricFunction.Kind.LOSS) {
            throw new IllegalStateException("The metric '" + name + "' looks at positions of its own choice");
        }
        return new Metric(name, kind, answers, wrong, other, own, where, position, perRow);
    }

    /** One number for each sequence of the batch. A metric of one's own decides that itself. */
    public Metric perRow() {
        if (own != null) {
            throw new IllegalStateException(
                    "The metric '" + name + "' is a function of your own: let it give [batch] for one number per row");
        }
        return new Metric(name, kind, answers, wrong, other, null, place, column, true);
    }

    /** What it is, for messages. */
    public String name() {
        return name;
    }

    /** Whether it is a function of logits or of the loss, so that a run has to go to the end. */
    boolean needsTheEnd() {
        return kind != MetricFunction.Kind.OWN_OF_POINTS;
    }

    /** The output of the model's graph that the function is applied to. */
    String output() {
        return kind == MetricFunction.Kind.LOSS ? StandardNames.LOSS_PER_TOKEN : StandardNames.LOGITS;
    }

    /**
     * Makes the metric ready for one run.
     *
     * @throws IllegalArgumentException if it doesn't fit the run; says why
     */
    MetricFunction compile(MetricSite site) {
        if (own != null) {
            return new MetricFunction(kind, place, false, false, perRow, own);
        }
        if (kind == MetricFunction.Kind.LOSS) {
            site.feedLossWeights(perRow);
            return new MetricFunction(kind, place, false, false, perRow, "");
        }
        boolean eachRow = answers.length > 1;
        site.feedTokens(this, MetricFunction.ANSWERS, answers);
        site.feedTokens(this, MetricFunction.WRONG, wrong);
        if (other != null) {
            site.feedLogits(this, other);
        }
        boolean atEnd = false;
        if (place == Place.EVERYWHERE) {
            site.feedPositionWeights();
        } else {
            long[] columns = place == Place.LAST_REAL ? site.lastReal(this) : site.column(this, column);
            long end = (long) site.logitColumns() - 1;
            atEnd = Arrays.stream(columns).allMatch(at -> at == end);
            if (!atEnd) {
                site.feed(MetricFunction.COLUMNS, HostTensor.of(Shape.of(columns.length, 1), columns));
            }
        }
        return new MetricFunction(kind, place, atEnd, eachRow, perRow, "");
    }

    /**
     * The metric of runs of any batch and length: what {@link #compile} feeds is worked out in the graph.
     *
     * @throws IllegalArgumentException if it is made of something that a graph can't work out; says of what
     */
    GraphFunction standalone() {
        if (own != null) {
            return new MetricFunction(kind, place, false, false, perRow, own);
        } else if (other != null) {
            throw new IllegalArgumentException("The metric '" + this
                    + "' compares with another run's logits, which a model that stands alone doesn't have");
        } else if (answers.length > 1) {
            throw new IllegalArgumentException("The metric '" + this + "' has a token for each of " + answers.length
                    + " sequences, but a model that stands alone takes any number of them: give one token for all");
        }
        boolean atEnd = place == Place.COLUMN && column == -1;
        MetricFunction function = new MetricFunction(kind, place, atEnd, false, perRow, "");
        return (logits, scope) ->
                function.apply(logits, new InputScope(scope, (outer, name, dtype, sizes) -> switch (name) {
                    case MetricFunction.ANSWERS -> token(outer, name, answers);
                    case MetricFunction.WRONG -> token(outer, name, wrong);
                    case MetricFunction.COLUMNS ->
                        StandalonePositions.column(outer, place == Place.LAST_REAL ? null : column);
                    case MetricFunction.WEIGHTS ->
                        kind == MetricFunction.Kind.LOSS
                                ? StandalonePositions.onePerPair(outer, dtype, perRow)
                                : StandalonePositions.onePerReal(outer, dtype);
                    default -> null;
                }));
    }

    private static Expr token(Scope scope, String name, long[] ids) {
        return scope.constant(name, HostTensor.of(Shape.SCALAR, ids));
    }

    /** The floating-point type that a metric is computed in. */
    static DType wide(DType dtype) {
        return dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }

    @Override
    public String toString() {
        String tokens =
                answers.length == 0 ? "" : " of " + list(answers) + (wrong.length == 0 ? "" : " and " + list(wrong));
        return name + tokens + (perRow ? ", per row" : "");
    }

    private static List<Long> list(long[] ids) {
        return Arrays.stream(ids).boxed().toList();
    }
}
