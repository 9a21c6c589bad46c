package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Precision;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Kind;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 9, second part: derivatives of whole models. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class GradientModelRules {

    private static final double STEP = 1e-5;

    private final Bench bench;
    private final Models models;

    public GradientModelRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    private interface ModelBody {
        void run(Pair pair, Tokens tokens, Attempt attempt);
    }

    private Stream<Trial> eachModel(ModelBody body) {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Pair pair = models.pair(kind, DType.FLOAT32);
                    body.run(pair, Traces.tokens(pair.mine(), attempt.random(0), false), attempt);
                }));
    }

    private static Metric difference() {
        return Metric.logitDifference(new long[] {1, 4, 2}, new long[] {3, 0, 5});
    }

    /** Derivatives of a run, by point. */
    private static Map<String, HostTensor> gradients(HookedTransformer model, RunRequest request) {
        try (RunResult result = model.run(request)) {
            Map<String, HostTensor> found = new LinkedHashMap<>();
            GradientCache gradients = result.gradients();
            gradients.items().forEach((name, derivative) -> found.put(name, derivative.toHost()));
            return found;
        }
    }

    private static RunRequest.Builder everywhere(Tokens tokens, Metric metric) {
        return RunRequest.of(tokens).returns(Returns.NONE).gradients(metric, HookFilter.everything());
    }

    /** Throws unless two runs have derivatives at the same points and, within the tolerance of models, the same ones. */
    private static void compare(
            HookedTransformer model, Map<String, HostTensor> found, Map<String, HostTensor> expected, Attempt attempt) {
        if (!found.keySet().equals(expected.keySet())) {
            throw new AssertionError(
                    "the run gave derivatives at " + found.keySet() + ", expected at " + expected.keySet());
        }
        // There and back again, with the derivatives of softmaxes and norms on the way.
        int blocks = 4 * (model.config().nLayers() + 2);
        double largest = 0;
        for (HostTensor derivative : expected.values()) {
            for (int i = 0; i < derivative.shape().elements(); i++) {
                largest = Math.max(largest, Math.abs(derivative.getDouble(i)));
            }
        }
        for (Map.Entry<String, HostTensor> entry : found.entrySet()) {
            HostTensor right = Objects.requireNonNull(expected.get(entry.getKey()));
            String what = "the derivative at " + entry.getKey();
            if (!entry.getValue().shape().equals(right.shape())) {
                throw new AssertionError(
                        what + " has the shape " + entry.getValue().shape() + ", expected " + right.shape());
            }
            double[] allowed = ModelTolerance.allowed(right, entry.getValue().dtype(), blocks);
            // Where everything cancels, what is left of it is rounding: of derivatives next to this one.
            double floor = 64 * Precision.eps(entry.getValue().dtype()) * Math.min(largest, 1);
            Arrays.setAll(allowed, i -> allowed[i] + floor);
            Comparison comparison = Comparison.of(entry.getValue(), right, allowed);
            attempt.report()
                    .measured("(whole blocks, backward)", entry.getValue().dtype(), comparison, entry.getKey());
            comparison.check(what);
        }
    }

    @Rule("9.4")
    Stream<Trial> derivativesAtEveryPointOfEveryArchitectureAreTheReferences() {
        List<Trial> trials = new ArrayList<>();
        for (Kind kind : Models.kinds()) {
            // Processing changes weights, not what is computed: one type will do.
            for (DType type : kind.processed() ? List.of(DType.FLOAT32) : bench.floats()) {
                trials.add(new Trial(kind.path() + "/" + type.label(), attempt -> {
                    Pair pair = models.pair(kind, type);
                    for (boolean left : new boolean[] {false, true}) {
                        Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), left);
                        RunRequest request = everywhere(tokens, left ? Metric.loss() : difference())
                                .build();
                        Map<String, HostTensor> found = gradients(pair.mine(), request);
                        if (type.bytes() > 2) {
                            compare(pair.mine(), found, gradients(pair.truth(), request), attempt);
                        }
                        found.forEach(GradientModelRules::checkFinite);
                        checkPadding(pair.mine(), tokens, found);
                    }
                }));
            }
        }
        return trials.stream();
    }

    private static void checkFinite(String name, HostTensor derivative) {
        for (int i = 0; i < derivative.shape().elements(); i++) {
            if (!Double.isFinite(derivative.getDouble(i))) {
                throw new AssertionError("the derivative at " + name + " has a " + derivative.getDouble(i));
            }
        }
    }

    private static void checkPadding(HookedTransformer model, Tokens tokens, Map<String, HostTensor> found) {
        found.forEach((name, derivative) -> {
            HookPoint point = model.hookNames().resolve(name);
            int axis = point.positionAxis();
            int inner = 1;
            for (int i = axis + 1; i < derivative.shape().rank(); i++) {
                inner *= (int) derivative.shape().size(i);
            }
            int rowSize = (int) (derivative.shape().elements() / tokens.batch());
            for (int i = 0; i < derivative.shape().elements(); i++) {
                int row = i / rowSize;
                int position = i / inner % tokens.positions();
                if (!tokens.mask()[row][position] && derivative.getDouble(i) != 0) {
                    throw new AssertionError("the derivative at " + name + ", row " + row + ", padded position "
                            + position + " is " + derivative.getDouble(i) + ", expected 0");
                }
            }
        });
    }

    @Rule("9.5")
    Stream<Trial> derivativesOfModelsAreThoseOfCentralDifferences() {
        return eachModel((pair, tokens, attempt) -> {
            HookedTransformer truth = pair.truth();
            Map<String, HostTensor> exact =
                    gradients(truth, everywhere(tokens, difference()).build());
            Map<String, HostTensor> found =
                    gradients(pair.mine(), everywhere(tokens, difference()).build());
            attempt.each(truth.hookNames().points(), HookPoint::name, point -> {
                String name = point.name();
                HostTensor derivative = Objects.requireNonNull(exact.get(name));
                HostTensor direction = direction(derivative, attempt.random(name.hashCode()));
                double expected =
                        (metric(truth, tokens, name, direction, STEP) - metric(truth, tokens, name, direction, -STEP))
                                / (2 * STEP);
                double along = dot(derivative, direction);
                if (!(Math.abs(along - expected) <= 1e-6 * (1 + Math.abs(expected)))) {
                    throw new AssertionError(
                            "the derivative along a direction is " + along + ", by central differences " + expected);
                }
                double mine = dot(Objects.requireNonNull(found.get(name)), direction);
                double scale = Math.sqrt(dot(direction, direction) * dot(derivative, derivative));
                if (!(Math.abs(mine - along) <= 1e-4 * scale + 1e-5)) {
                    throw new AssertionError(
                            "the derivative along a direction is " + mine + ", on the reference " + along);
                }
            });
        });
    }

    private static HostTensor direction(HostTensor like, SplittableRandom random) {
        return new Inputs(random, DType.FLOAT64).normal(like.shape().toArray());
    }

    private static double dot(HostTensor a, HostTensor b) {
        double sum = 0;
        for (int i = 0; i < a.shape().elements(); i++) {
            sum += a.getDouble(i) * b.getDouble(i);
        }
        return sum;
    }

    /** The metric with a step in a direction at a point. */
    private static double metric(
            HookedTransformer model, Tokens tokens, String point, HostTensor direction, double step) {
        try (Tensor moved = model.tensors().of(direction).mul(step);
                RunResult result = model.run(RunRequest.of(tokens)
                        .returns(Returns.NONE)
                        .interventions(Intervention.add(point, moved))
                        .gradients(difference(), "unembed.hook_out")
                        .build())) {
            return result.metric().item();
        }
    }

    @Rule("9.6")
    Stream<Trial> askingForFewPointsGivesWhatAskingForAllDoes() {
        return eachModel((pair, tokens, attempt) -> {
            Map<String, HostTensor> all =
                    gradients(pair.mine(), everywhere(tokens, difference()).build());
            List<HookPoint> points = pair.mine().hookNames().points();
            List<HookPoint> some = new ArrayList<>();
            for (int i = 0; i < points.size(); i += 5) {
                some.add(points.get(i));
            }
            attempt.each(some, HookPoint::name, point -> {
                Map<String, HostTensor> one = gradients(
                        pair.mine(),
                        RunRequest.of(tokens)
                                .returns(Returns.NONE)
                                .gradients(difference(), point.name())
                                .build());
                compare(pair.mine(), one, Map.of(point.name(), all.get(point.name())), attempt);
            });
        });
    }

    @Rule("9.7")
    Stream<Trial> derivativesComposeWithWhatARunHas() {
        return eachModel((pair, tokens, attempt) -> {
            HookedTransformer mine = pair.mine();
            Map<String, HostTensor> whole =
                    gradients(mine, everywhere(tokens, difference()).build());
            startingAtALayer(pair, tokens, whole, attempt);
            stoppingAtALayer(pair, tokens, attempt);
            atChosenPositions(pair, tokens, whole, attempt);
            withAPrefix(pair, attempt);
            perRow(mine, tokens, whole, attempt);
        });
    }

    private static void startingAtALayer(Pair pair, Tokens tokens, Map<String, HostTensor> whole, Attempt attempt) {
        HookedTransformer mine = pair.mine();
        try (RunResult before = mine.run(RunRequest.of(tokens).stopAtLayer(1).build())) {
            Map<String, HostTensor> found = gradients(
                    mine,
                    everywhere(tokens, difference())
                            .startAtLayer(1, before.residual())
                            .build());
            Map<String, HostTensor> expected = new LinkedHashMap<>(whole);
            expected.keySet().retainAll(found.keySet());
            if (!found.containsKey("blocks.1.hook_resid_pre") || found.containsKey("blocks.0.hook_resid_pre")) {
                throw new AssertionError("a run from layer 1 on gave derivatives at " + found.keySet());
            }
            compare(mine, found, expected, attempt);
        }
    }

    private static void stoppingAtALayer(Pair pair, Tokens tokens, Attempt attempt) {
        Metric norm = Metric.ofPoints(
                "square",
                scope -> scope.value("blocks.0.hook_resid_post").square().sum());
        RunRequest request = everywhere(tokens, norm)
                .returns(RunRequest.Returns.NONE)
                .stopAtLayer(1)
                .build();
        compare(pair.mine(), gradients(pair.mine(), request), gradients(pair.truth(), request), attempt);
    }

    private static void atChosenPositions(Pair pair, Tokens tokens, Map<String, HostTensor> whole, Attempt attempt) {
        Map<String, HostTensor> found = gradients(
                pair.mine(),
                RunRequest.of(tokens)
                        .returns(Returns.NONE)
                        .logitsAt(3, 4, 6)
                        .gradients(difference(), HookFilter.glob("blocks.*"))
                        .build());
        Map<String, HostTensor> expected = new LinkedHashMap<>(whole);
        expected.keySet().retainAll(found.keySet());
        compare(pair.mine(), found, expected, attempt);
    }

    private static void withAPrefix(Pair pair, Attempt attempt) {
        Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), true);
        int first = tokens.positions() - 3;
        List<Map<String, HostTensor>> both = new ArrayList<>();
        for (HookedTransformer model : List.of(pair.mine(), pair.truth())) {
            try (KeyValueCache cache = model.newKeyValueCache(tokens.batch())) {
                model.run(RunRequest.of(Traces.part(tokens, 0, first))
                                .keyValueCache(cache)
                                .build())
                        .close();
                both.add(gradients(
                        model,
                        everywhere(Traces.part(tokens, first, tokens.positions()), difference())
                                .keyValueCache(cache)
                                .build()));
            }
        }
        compare(pair.mine(), both.get(0), both.get(1), attempt);
    }

    // Rows don't see one another: the derivative of the sum over them holds each row's own, and the mean a third of it.
    private static void perRow(HookedTransformer mine, Tokens tokens, Map<String, HostTensor> whole, Attempt attempt) {
        Map<String, HostTensor> found =
                gradients(mine, everywhere(tokens, difference().perRow()).build());
        Map<String, HostTensor> expected = new LinkedHashMap<>();
        whole.forEach((name, derivative) -> {
            double[] times = derivative.toDoubleArray();
            Arrays.setAll(times, i -> times[i] * tokens.batch());
            expected.put(name, HostTensor.of(derivative.shape(), times));
        });
        compare(mine, found, expected, attempt);
    }

    @Rule("9.8")
    Stream<Trial> backwardHooksFireInTheOppositeOrderAndChangeWhatFlowsOn() {
        return eachModel((pair, tokens, attempt) -> {
            List<String> points = pair.mine().hookNames().points().stream()
                    .filter(point -> !point.optional())
                    .map(HookPoint::name)
                    .toList();
            List<String> fired = new ArrayList<>();
            Hook watch = Hook.backward(HookFilter.standard(), (derivative, point) -> {
                fired.add(point.name());
                return null;
            });
            Map<String, HostTensor> watched = gradients(
                    pair.mine(), everywhere(tokens, difference()).hooks(watch).build());
            List<String> reversed = new ArrayList<>(fired);
            java.util.Collections.reverse(reversed);
            if (!reversed.equals(points)) {
                throw new AssertionError("backward hooks fired at " + fired + ", expected the opposite of " + points);
            }
            compare(
                    pair.mine(),
                    watched,
                    gradients(pair.mine(), everywhere(tokens, difference()).build()),
                    attempt);
            String middle = "blocks.1.hook_resid_pre";
            List<Edit> changes = List.of(
                    Hook.backward(middle, (derivative, point) -> derivative.mul(3)),
                    Hook.backward(middle, (derivative, point) -> derivative.add(0.125)),
                    Hook.backward("blocks.0.attn.hook_pattern", (derivative, point) -> derivative.mul(0.5)));
            RunRequest request = everywhere(tokens, difference()).hooks(changes).build();
            compare(pair.mine(), gradients(pair.mine(), request), gradients(pair.truth(), request), attempt);
        });
    }

    @Rule("9.9")
    Stream<Trial> derivativesFlowThroughInterventionsByTheirOwnRules() {
        return eachModel((pair, tokens, attempt) -> {
            String resid = "blocks.1.hook_resid_pre";
            String above = "blocks.0.hook_resid_post";
            List<Intervention> cases = List.of(
                    Intervention.scale(resid, 0.5),
                    Intervention.add(resid, 0.25).positions(1),
                    Intervention.zero("blocks.0.attn.hook_z").heads(0),
                    Intervention.set("blocks.0.hook_mlp_out", 0.1).rows(0),
                    Intervention.stopGradient("blocks.1.attn.hook_pattern"),
                    Intervention.function(resid, x -> x.tanh().add(x)));
            attempt.each(cases, Intervention::toString, one -> {
                RunRequest request =
                        everywhere(tokens, difference()).interventions(one).build();
                compare(pair.mine(), gradients(pair.mine(), request), gradients(pair.truth(), request), attempt);
            });
            Map<String, HostTensor> halved = gradients(
                    pair.mine(),
                    everywhere(tokens, difference())
                            .interventions(Intervention.scale(resid, 0.5))
                            .build());
            double[] expected = Objects.requireNonNull(halved.get(resid)).toDoubleArray();
            Arrays.setAll(expected, i -> expected[i] * 0.5);
            compare(
                    pair.mine(),
                    Map.of(above, Objects.requireNonNull(halved.get(above))),
                    Map.of(
                            above,
                            HostTensor.of(
                                    Objects.requireNonNull(halved.get(above)).shape(), expected)),
                    attempt);
            Map<String, HostTensor> stopped = gradients(
                    pair.mine(),
                    everywhere(tokens, difference())
                            .interventions(Intervention.stopGradient(resid))
                            .build());
            HostTensor upstream = Objects.requireNonNull(stopped.get(above));
            HostTensor there = Objects.requireNonNull(stopped.get(resid));
            if (dot(upstream, upstream) != 0 || dot(there, there) == 0) {
                throw new AssertionError("a derivative that was stopped at " + resid + " is not 0 above it alone");
            }
        });
    }
}
