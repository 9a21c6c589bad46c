package dev.loupe.conformance.rules;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static dev.loupe.array.Index.pick;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.measures.Measurements;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/** Interventions on the backend on trial beside hooks that say the same, on the reference in float64. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class InterventionCheck {

    /** An intervention must change the logits by at least this part of the largest of them. */
    private static final double EFFECT = 1e-4;

    private static final double STEP = 1e-5;

    private final Pair pair;
    private final Tokens tokens;
    private final Measurements report;
    private final UnaryOperator<List<Edit>> trial;
    private final Supplier<HostTensor> plainOfTrial = once(() -> mine(List.of()).logits());
    private final Supplier<Trace> elsewhere = once(this::elsewhere);
    private final Supplier<Trace> plainTruth = once(() -> truth(List.of()));

    /**
     * Checks of one model.
     *
     * @param trial what the backend on trial does of what it is told: the same, unless the checks are themselves tested
     */
    public InterventionCheck(Pair pair, Tokens tokens, Measurements report, UnaryOperator<List<Edit>> trial) {
        this.pair = pair;
        this.tokens = tokens;
        this.report = report;
        this.trial = trial;
    }

    /** One thing, said twice. */
    public record Twice(String name, Intervention intervention, UnaryOperator<Tensor> code) {}

    private static <T> Supplier<T> once(Supplier<T> made) {
        List<T> known = new ArrayList<>();
        return () -> {
            if (known.isEmpty()) {
                known.add(made.get());
            }
            return known.get(0);
        };
    }

    /** What can be done at a point. The last axis of norms' divisors has size 1; a divisor of 0 says nothing. */
    public List<Twice> actions(HookPoint point) {
        HookedTransformer model = pair.mine();
        String name = point.name();
        int last = point.axes().size() - 1;
        boolean divisor = point.axes().get(last) == Axis.SINGLE;
        boolean square = point.isAttention();
        List<Twice> actions = new ArrayList<>();
        actions.add(new Twice("scale", Intervention.scale(name, 1.3), x -> x.mul(1.3)));
        actions.add(new Twice("add", Intervention.add(name, 0.25).rows(1), x -> part(x, 0, 1, p -> p.add(0.25))));
        // A residual stream of one number throughout would leave a norm nothing but rounding.
        // A divisor far below its own would enlarge the stream, and its rounding with it.
        double number = divisor ? 6 : 0.7;
        actions.add(new Twice(
                "set",
                Intervention.set(name, number).rows(0, 2).indices(0),
                x -> part(part(x, 0, 0, p -> set(p, number)), 0, 2, p -> set(p, number))));
        int positions = point.positionAxis();
        if (positions >= 0 && !square) {
            actions.add(new Twice(
                    "scale at columns",
                    Intervention.scale(name, 1.5).positions(-1, 0),
                    x -> part(
                            part(x, positions, 0, p -> p.mul(1.5)),
                            positions,
                            x.size(positions) - 1,
                            p -> p.mul(1.5))));
        }
        if (positions >= 0) {
            actions.add(new Twice(
                    "scale at the last real token",
                    Intervention.scale(name, 1.6).lastReal(),
                    x -> atColumns(x, positions, row -> new long[] {tokens.lastReal(row)})));
            actions.add(new Twice(
                    "scale at a position of each row",
                    Intervention.scale(name, 1.6).positionOfEachRow(1, 2, 0),
                    x -> atColumns(x, positions, row -> new long[] {(row + 1) % 3})));
            actions.add(new Twice(
                    "scale at tokens of each prompt",
                    Intervention.scale(name, 1.6).promptPositions(1, -1),
                    x -> atColumns(x, positions, row -> new long[] {1, tokens.lastReal(row)})));
        }
        if (square) {
            actions.add(new Twice(
                    "scale of a key",
                    Intervention.scale(name, 0.4).where(Selection.Which.KEY, new Selection.At(List.of(0L))),
                    x -> part(x, last, 0, p -> p.mul(0.4))));
        } else if (positions >= 0 && !divisor) {
            actions.add(new Twice(
                    "mean over positions",
                    Intervention.mean(name, point.axes().get(positions)),
                    x -> meanOfReal(x, positions, positions)));
            actions.add(new Twice(
                    "mean over the batch",
                    Intervention.mean(name, Axis.BATCH).indices(0),
                    x -> part(x, last, 0, p -> meanOfReal(p, positions, 0))));
        }
        actions.add(new Twice(
                "patch",
                Intervention.patch(
                                name, at -> model.tensors().of(elsewhere.get().get(at)))
                        .rows(1),
                x -> part(x, 0, 1, p -> like(x, elsewhere.get().get(name)).get(pick(1)))));
        actions.add(new Twice("stop", Intervention.stopGradient(name), x -> x));
        if (!divisor) {
            actions.add(new Twice("zero", Intervention.zero(name).rows(2), x -> x.with(at(2), 0)));
            actions.add(new Twice(
                    "scale of a place",
                    Intervention.scale(name, -1).indices(0),
                    x -> part(x, last, 0, p -> p.mul(-1))));
        }
        if (!divisor && !square) {
            Tensor directions = model.tensors().randn(3, 2, width(model, point));
            actions.add(
                    new Twice("projection", Intervention.projectOut(name, directions), x -> projected(x, directions)));
            actions.add(new Twice(
                    "function",
                    Intervention.function(name, x -> x.tanh().add(x)),
                    x -> x.tanh().add(x)));
            Tensor vector = model.tensors().randn(4, width(model, point));
            actions.add(new Twice(
                    "vector",
                    Intervention.add(name, vector),
                    x -> x.add(x.factory().of(vector.toHost()).to(x.dtype()))));
        }
        int heads = point.headAxis();
        if (heads >= 0) {
            actions.add(new Twice(
                    "a head", Intervention.scale(name, 1.4).heads(0), x -> part(x, heads, 0, p -> p.mul(1.4))));
            actions.add(new Twice(
                    "mean over heads",
                    Intervention.mean(name, point.axes().get(heads)),
                    x -> x.mean(heads).unsqueeze(heads).expand(x.shape().toArray())));
        }
        return actions;
    }

    private static Tensor like(Tensor x, HostTensor numbers) {
        return x.factory().of(numbers.to(x.dtype()));
    }

    /** Some positions of each row, times 1.6. */
    private Tensor atColumns(Tensor x, int positions, IntFunction<long[]> columns) {
        Tensor changed = x;
        for (int row = 0; row < tokens.batch(); row++) {
            for (long column : columns.apply(row)) {
                Object[] indices = new Object[positions + 1];
                Arrays.fill(indices, all());
                indices[0] = row;
                indices[positions] = column;
                changed = changed.with(at(indices), x.get(indices).mul(1.6));
            }
        }
        return changed;
    }

    /** The mean of what isn't padding, over an axis, in the place of all. */
    private Tensor meanOfReal(Tensor x, int positions, int axis) {
        long[] sizes = new long[x.rank()];
        Arrays.fill(sizes, 1);
        sizes[0] = tokens.batch();
        sizes[positions] = tokens.positions();
        double[] real = new double[tokens.batch() * tokens.positions()];
        for (int i = 0; i < real.length; i++) {
            real[i] = tokens.mask()[i / tokens.positions()][i % tokens.positions()] ? 1 : 0;
        }
        Tensor mask = like(x, HostTensor.of(Shape.of(sizes), real));
        Tensor mean = x.mul(mask).sum(axis).div(mask.sum(axis));
        return mean.unsqueeze(axis).expand(x.shape().toArray());
    }

    // A masked score is −∞, which no arithmetic makes 0.7.
    private static Tensor set(Tensor rows, double number) {
        return part(rows, rows.rank() - 1, 0, place -> place.maskedFill(place.eq(place), number));
    }

    private static long width(HookedTransformer model, HookPoint point) {
        return Objects.requireNonNull(model.graph().hooks().get(point.name()))
                .type()
                .dim(-1)
                .value();
    }

    private static Tensor part(Tensor x, int axis, long place, UnaryOperator<Tensor> change) {
        Object[] indices = new Object[axis + 1];
        Arrays.fill(indices, all());
        indices[axis] = pick(place);
        return x.with(at(indices), change.apply(x.get(indices)));
    }

    private static Tensor projected(Tensor x, Tensor directions) {
        Tensor rows = x.factory().of(directions.toHost().to(x.dtype()));
        Tensor first = rows.select(0, 0);
        Tensor one = first.div(first.norm());
        Tensor second = rows.select(0, 1);
        Tensor rest = second.sub(one.mul(second.mul(one).sum()));
        Tensor two = rest.div(rest.norm());
        Tensor result = x;
        for (Tensor unit : List.of(one, two)) {
            result = result.sub(result.mul(unit).sum(-1).unsqueeze(-1).mul(unit));
        }
        return result;
    }

    /** Throws unless the intervention does what the hook does, and nothing upstream. */
    public void effect(HookPoint point, Twice action) {
        Hook code = Hook.at(point.name(), (activation, where) -> action.code().apply(activation));
        Trace expected = truth(List.of(code));
        Trace found = mine(List.of(action.intervention()));
        double shouldHave = Traces.effect(plainTruth.get().logits(), expected.logits());
        double has = Traces.effect(plainOfTrial.get(), found.logits());
        if (shouldHave >= EFFECT && !(has >= EFFECT / 2)) {
            throw new AssertionError(action.name() + " at " + point + " changed the logits by " + has
                    + " of the largest of them, on the reference by " + shouldHave + ": it was dropped");
        }
        try {
            Traces.compare(pair.mine(), found, expected, 1, report);
        } catch (AssertionError e) {
            throw new AssertionError(action.name() + ": " + e.getMessage(), e);
        }
    }

    /** Throws unless interventions and hooks at a point run in their order. */
    public void order(String point) {
        List<Edit> mixed = List.of(
                Intervention.scale(point, 2),
                Hook.at(point, (x, where) -> x.add(0.5)),
                Intervention.scale(point, 0.75),
                Hook.at(point, (x, where) -> x.sub(0.125)),
                Intervention.add(point, 0.25));
        Hook code = Hook.at(
                point, (x, where) -> x.mul(2).add(0.5).mul(0.75).sub(0.125).add(0.25));
        Traces.compare(pair.mine(), mine(mixed), truth(List.of(code)), 1, report);
    }

    /**
     * Throws unless the derivative through an intervention, with respect to the residual stream at the beginning, is that of
     * central differences along a random direction.
     */
    public void derivative(Intervention intervention, SplittableRandom random) {
        String start = "blocks.0.hook_resid_pre";
        HostTensor exact = gradient(pair.truth(), start, List.of(intervention));
        HostTensor direction =
                new Inputs(random, DType.FLOAT64).normal(exact.shape().toArray());
        // Two steps together are good to the fourth power of the step: a stream of small numbers is far from straight.
        Intervention moving = withoutStop(intervention);
        double expected = (4 * slope(moving, start, direction, STEP / 2) - slope(moving, start, direction, STEP)) / 3;
        double along = dot(exact, direction);
        if (!(Math.abs(along - expected) <= 1e-6 * (1 + Math.abs(expected)))) {
            throw new AssertionError("through '" + intervention + "' the derivative along a direction is " + along
                    + " on the reference, by central differences " + expected);
        }
        double mine = dot(gradient(pair.mine(), start, trial.apply(List.of(intervention))), direction);
        double scale = Math.sqrt(dot(direction, direction) * dot(exact, exact));
        if (!(Math.abs(mine - along) <= 1e-4 * scale + 1e-5)) {
            throw new AssertionError("through '" + intervention + "' the derivative along a direction is " + mine
                    + ", on the reference " + along);
        }
    }

    /** What a stopped derivative takes an activation for: a constant, the one of the run as it is. */
    private Intervention withoutStop(Intervention intervention) {
        return intervention.action() instanceof Intervention.Stop
                ? Intervention.patch(
                        intervention.point(),
                        at -> pair.truth().tensors().of(plainTruth.get().get(at)))
                : intervention;
    }

    private double slope(Intervention intervention, String start, HostTensor direction, double step) {
        return (moved(intervention, start, direction, step) - moved(intervention, start, direction, -step))
                / (2 * step);
    }

    private Trace mine(List<Edit> edits) {
        return Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), trial.apply(edits));
    }

    /** A run of other tokens of the same places. */
    private Trace elsewhere() {
        long[][] ids = tokens.ids();
        for (long[] row : ids) {
            Arrays.setAll(row, i -> (row[i] + 1) % pair.truth().config().dVocab());
        }
        return Traces.run(
                pair.truth(), Tokens.of(ids, tokens.mask()), Way.PADDED_RIGHT, HookFilter.everything(), List.of());
    }

    private Trace truth(List<Edit> edits) {
        return Traces.run(pair.truth(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), edits);
    }

    private static Metric metric() {
        return Metric.logitDifference(1, 3);
    }

    private HostTensor gradient(HookedTransformer model, String point, List<Edit> edits) {
        RunRequest.Builder request = RunRequest.of(tokens).returns(Returns.NONE);
        request.hooks(edits);
        try (RunResult run = model.run(request.gradients(metric(), point).build())) {
            return run.gradients().get(point).toHost();
        }
    }

    private double moved(Intervention intervention, String point, HostTensor direction, double step) {
        HookedTransformer model = pair.truth();
        try (Tensor move = model.tensors().of(direction).mul(step);
                RunResult run = model.run(RunRequest.of(tokens)
                        .returns(Returns.NONE)
                        .interventions(Intervention.add(point, move), intervention)
                        .gradients(metric(), "unembed.hook_out")
                        .build())) {
            return run.metric().item();
        }
    }

    private static double dot(HostTensor a, HostTensor b) {
        double sum = 0;
        for (int i = 0; i < a.shape().elements(); i++) {
            sum += a.getDouble(i) * b.getDouble(i);
        }
        return sum;
    }
}
