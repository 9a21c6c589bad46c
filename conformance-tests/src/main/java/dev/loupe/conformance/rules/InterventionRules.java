package dev.loupe.conformance.rules;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static dev.loupe.array.Index.pick;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Kind;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * Section 10: interventions, spliced into the graph on the backend on trial, do what the hook that says the same does on
 * the reference in float64.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class InterventionRules {

    /** An intervention must change the logits by at least this part of the largest of them. */
    private static final double EFFECT = 1e-4;

    private final Models models;

    public InterventionRules(Models models) {
        this.models = models;
    }

    /** One thing, said twice. */
    private record Twice(String name, Intervention intervention, UnaryOperator<Tensor> code) {}

    /** What can be done at a point. The last axis of norms' divisors has size 1; a divisor of 0 says nothing. */
    private static List<Twice> actions(HookedTransformer model, HookPoint point) {
        String name = point.name();
        int last = point.axes().size() - 1;
        boolean divisor = point.axes().get(last) == Axis.SINGLE;
        boolean square = point.isAttention();
        List<Twice> actions = new ArrayList<>();
        actions.add(new Twice("scale", Intervention.scale(name, 1.3), x -> x.mul(1.3)));
        actions.add(new Twice("add", Intervention.add(name, 0.25).rows(1), x -> part(x, 0, 1, p -> p.add(0.25))));
        // A residual stream of one number throughout would leave a norm nothing but rounding.
        actions.add(new Twice(
                "set",
                Intervention.set(name, 0.7).rows(0, 2).indices(0),
                x -> part(part(x, 0, 0, InterventionRules::set), 0, 2, InterventionRules::set)));
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

    // A masked score is −∞, which no arithmetic makes 0.7.
    private static Tensor set(Tensor rows) {
        return part(rows, rows.rank() - 1, 0, place -> place.maskedFill(place.eq(place), 0.7));
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

    @Rule("10.1")
    Stream<Trial> anInterventionDoesWhatTheHookThatSaysTheSameDoes() {
        List<Trial> trials = new ArrayList<>();
        for (Kind kind : Models.kinds()) {
            if (kind.processed()) {
                continue;
            }
            trials.add(new Trial(kind.path(), attempt -> {
                Pair pair = models.pair(kind, DType.FLOAT32);
                Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                HostTensor plain = Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.none(), List.of())
                        .logits();
                List<HookPoint> points = pair.mine().hookNames().points();
                // Each point is tried with some of the actions, so that all of them come up at points of its kind.
                attempt.each(points, HookPoint::name, point -> {
                    List<Twice> actions = actions(pair.mine(), point);
                    int first = points.indexOf(point);
                    for (int i = 0; i < 3; i++) {
                        Twice action = actions.get((first * 3 + i) % actions.size());
                        compare(pair, tokens, point, action, plain, attempt);
                    }
                });
            }));
        }
        return trials.stream();
    }

    private static void compare(
            Pair pair, Tokens tokens, HookPoint point, Twice action, HostTensor plain, Attempt attempt) {
        Traces.Way way = Way.PADDED_RIGHT;
        Trace found = Traces.run(pair.mine(), tokens, way, HookFilter.standard(), List.of(action.intervention()));
        Hook code = Hook.at(point.name(), (activation, where) -> action.code().apply(activation));
        Trace expected = Traces.run(pair.truth(), tokens, way, HookFilter.standard(), List.of(code));
        Trace before = Traces.run(pair.truth(), tokens, way, HookFilter.none(), List.of());
        double shouldHave = Traces.effect(before.logits(), expected.logits());
        double has = Traces.effect(plain, found.logits());
        if (shouldHave >= EFFECT && !(has >= EFFECT / 2)) {
            throw new AssertionError(action.name() + " at " + point + " changed the logits by " + has
                    + " of the largest of them, on the reference by " + shouldHave + ": it was dropped");
        }
        Traces.compare(pair.mine(), found, expected, 1, attempt.report());
    }

    @Rule("10.2")
    Stream<Trial> interventionsAndHooksRunInTheOrderGiven() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Pair pair = models.pair(kind, DType.FLOAT32);
                    Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                    List<HookPoint> points = pair.mine().hookNames().points();
                    HookPoint middle = points.get(points.size() / 2);
                    String name = middle.name();
                    List<Edit> mixed = List.of(
                            Intervention.scale(name, 2),
                            Hook.at(name, (x, where) -> x.add(0.5)),
                            Intervention.scale(name, 0.75),
                            Hook.at(name, (x, where) -> x.sub(0.125)),
                            Intervention.add(name, 0.25));
                    Hook code = Hook.at(
                            name,
                            (x, where) -> x.mul(2).add(0.5).mul(0.75).sub(0.125).add(0.25));
                    Trace found = Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), mixed);
                    Trace expected =
                            Traces.run(pair.truth(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of(code));
                    Traces.compare(pair.mine(), found, expected, 1, attempt.report());
                }));
    }

    @Rule("10.3")
    Stream<Trial> whatIsSplicedIntoTheGraphGivesWhatTheTensorsGive() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .limit(1)
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Pair pair = models.pair(kind, DType.FLOAT32);
                    Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                    String name = "blocks.0.hook_resid_pre";
                    Intervention spliced = Intervention.function(
                            name,
                            x -> x.softmax(-1)
                                    .add(x.sub(x.mean(-1).unsqueeze(-1)).gelu())
                                    .clamp(-2, 2));
                    Hook eager = Hook.at(
                            name,
                            (x, where) -> x.softmax(-1)
                                    .add(x.sub(x.mean(-1).unsqueeze(-1)).gelu())
                                    .clamp(-2, 2));
                    Trace found =
                            Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of(spliced));
                    Trace expected =
                            Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of(eager));
                    Traces.compare(pair.mine(), found, expected, 1, attempt.report());
                }));
    }
}
