package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Kind;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 4, second part: whole models with hooks, compared with the reference point by point. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HookRules {

    /** An edit must change the logits by at least this part of the largest of them: far more than rounding does. */
    private static final double EFFECT = 1e-3;

    private final Bench bench;
    private final Models models;

    public HookRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    private interface ModelBody {
        void run(Pair pair, Attempt attempt) throws Exception;
    }

    private Stream<Trial> eachModel(ModelBody body) {
        return Models.kinds().stream()
                .map(kind -> new Trial(kind.path(), attempt -> body.run(models.pair(kind, DType.FLOAT32), attempt)));
    }

    @Rule("4.10")
    Stream<Trial> everyHookPointHasTheReferencesValue() {
        List<Trial> trials = new ArrayList<>();
        for (Kind kind : Models.kinds()) {
            for (DType type : bench.floats()) {
                for (Way way : Way.values()) {
                    String subject = kind.path() + "/" + way.name().toLowerCase(java.util.Locale.ROOT) + "/" + type;
                    trials.add(new Trial(subject, attempt -> {
                        Pair pair = models.pair(kind, type);
                        Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), way != Way.PADDED_RIGHT);
                        compare(pair, tokens, way, HookFilter.everything(), List.of(), attempt);
                    }));
                }
            }
        }
        return trials.stream();
    }

    private static Trace compare(
            Pair pair, Tokens tokens, Way way, HookFilter observed, List<Hook> hooks, Attempt attempt) {
        Trace found = Traces.run(pair.mine(), tokens, way, observed, hooks);
        Trace expected = Traces.run(pair.truth(), tokens, way, observed, hooks);
        Traces.compare(pair.mine(), found, expected, 1, attempt.report());
        return found;
    }

    @Rule("4.11")
    Stream<Trial> anEditAtAnyPointHasTheReferencesEffect() {
        List<Trial> trials = new ArrayList<>();
        for (Kind kind : Models.kinds()) {
            trials.add(new Trial(kind.path() + "/padded_right", attempt -> {
                Edits edits = new Edits(models.pair(kind, DType.FLOAT32), Way.PADDED_RIGHT, attempt);
                edits.each(point -> {
                    edits.check(point, HookFilter.standard());
                    // Unobserved, the run may take other ways: fused operations, fewer cuts.
                    edits.check(point, HookFilter.none());
                });
            }));
            if (!kind.processed()) {
                trials.add(new Trial(kind.path() + "/cached", attempt -> {
                    Edits edits = new Edits(models.pair(kind, DType.FLOAT32), Way.CACHED, attempt);
                    edits.each(point -> edits.check(point, HookFilter.none()));
                }));
            }
        }
        return trials.stream();
    }

    /** The sweep over all points of one model. */
    private static final class Edits {
        private final Pair pair;
        private final Way way;
        private final Attempt attempt;
        private final Tokens tokens;
        private final HostTensor plain;

        Edits(Pair pair, Way way, Attempt attempt) {
            this.pair = pair;
            this.way = way;
            this.attempt = attempt;
            this.tokens = Traces.tokens(pair.mine(), attempt.random(0), way == Way.CACHED);
            this.plain = Traces.run(pair.mine(), tokens, way, HookFilter.none(), List.of())
                    .logits();
        }

        void each(Attempt.CaseBody<HookPoint> body) {
            attempt.each(pair.mine().hookNames().points(), HookPoint::name, body);
        }

        void check(HookPoint point, HookFilter observed) {
            List<Hook> edit = List.of(Traces.disturbing(point.name(), 7));
            Trace found = Traces.run(pair.mine(), tokens, way, observed, edit);
            double effect = Traces.effect(plain, found.logits());
            if (!(effect >= EFFECT)) {
                throw new AssertionError("an edit at " + point + " changed the logits by " + effect
                        + " of the largest of them, expected at least " + EFFECT + ": the edit was dropped");
            }
            Trace expected = Traces.run(pair.truth(), tokens, way, observed, edit);
            Traces.compare(pair.mine(), found, expected, 1, attempt.report());
        }
    }

    @Rule("4.12")
    Stream<Trial> observingAPointChangesNothing() {
        return eachModel((pair, attempt) -> {
            Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
            HostTensor plain = logits(pair.mine(), tokens, HookFilter.none(), List.of());
            attempt.each(pair.mine().hookNames().points(), HookPoint::name, point -> {
                HookFilter one = HookFilter.names(point.name());
                same(
                        pair,
                        "the logits, with the point observed",
                        logits(pair.mine(), tokens, one, List.of()),
                        plain,
                        attempt);
                List<Hook> reading = List.of(Hook.at(point.name(), (activation, where) -> null));
                HostTensor read = logits(pair.mine(), tokens, HookFilter.none(), reading);
                same(pair, "the logits, with a hook that returns null", read, plain, attempt);
            });
        });
    }

    private static HostTensor logits(HookedTransformer model, Tokens tokens, HookFilter observed, List<Hook> hooks) {
        return Traces.run(model, tokens, Way.PADDED_RIGHT, observed, hooks).logits();
    }

    private static void same(Pair pair, String what, HostTensor found, HostTensor before, Attempt attempt) {
        int blocks = 2 * Traces.blocksBefore(Traces.LOGITS, pair.mine().config().nLayers());
        ModelTolerance.check(what, found, before, blocks, attempt.report(), attempt.path());
    }

    @Rule("4.13")
    Stream<Trial> prunedRunsGiveTheSameValues() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            Trace full = Traces.run(model, tokens, Way.PADDED_RIGHT, HookFilter.standard(), List.of());
            for (int layer = 1; layer < model.config().nLayers(); layer++) {
                String entrance = "blocks." + layer + ".hook_resid_pre";
                try (RunResult stopped =
                        model.run(RunRequest.of(tokens).stopAtLayer(layer).build())) {
                    HostTensor residual = stopped.residual().toHost();
                    same(pair, "the residual at layer " + layer, residual, full.get(entrance), attempt);
                    RunRequest rest = RunRequest.of(tokens)
                            .startAtLayer(layer, stopped.residual())
                            .build();
                    try (RunResult started = model.run(rest)) {
                        HostTensor logits = started.logits().toHost();
                        same(pair, "the logits of a run from layer " + layer, logits, full.logits(), attempt);
                    }
                }
            }
            attempt.each(full.names(), name -> name + " alone", name -> {
                if (!name.equals(Traces.LOGITS)) {
                    RunRequest only = RunRequest.of(tokens)
                            .observe(name)
                            .returns(RunRequest.Returns.NONE)
                            .build();
                    try (RunResult result = model.run(only)) {
                        same(pair, name, result.cache().get(name).toHost(), full.get(name), attempt);
                    }
                }
            });
        });
    }

    @Rule("4.14")
    Stream<Trial> hooksFireOnceInOrder() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            List<String> fired = new ArrayList<>();
            Hook recorder = Hook.at(HookFilter.standard(), (activation, point) -> {
                fired.add(point.name());
                return null;
            });
            model.runWithHooks(tokens, recorder).close();
            assertThat(fired)
                    .as("points in the order in which they fired")
                    .containsExactlyElementsOf(model.hookNames().points().stream()
                            .filter(point -> !point.optional())
                            .map(HookPoint::name)
                            .toList());
            List<String> order = new ArrayList<>();
            try (HookHandle permanent = model.addPermanentHook(noting("hook_embed", "permanent", order));
                    HookHandle added = model.addHook(noting("hook_embed", "added", order))) {
                model.runWithHooks(tokens, noting("hook_embed", "first", order), noting("hook_embed", "second", order))
                        .close();
            }
            assertThat(order).as("hooks at one point").containsExactly("permanent", "added", "first", "second");
            model.runWithHooks(tokens).close();
            assertThat(order)
                    .as("hooks that fired after their handles were closed")
                    .hasSize(4);
        });
    }

    private static Hook noting(String point, String name, List<String> order) {
        return Hook.at(point, (activation, where) -> {
            order.add(name);
            return null;
        });
    }

    /** What a hook of a user might throw. */
    private static final class HookTrouble extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    @Rule("4.15")
    Stream<Trial> whatAHookThrowsReachesTheCaller() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            HostTensor plain = logits(model, tokens, HookFilter.none(), List.of());
            attempt.each(model.hookNames().points(), HookPoint::name, point -> {
                HookTrouble trouble = new HookTrouble();
                Hook throwing = Hook.at(point.name(), (activation, where) -> {
                    throw trouble;
                });
                Refusal.of(
                                "a run with a hook that throws",
                                HookTrouble.class,
                                () -> model.runWithHooks(tokens, throwing))
                        .isSameAs(trouble);
            });
            same(pair, "the logits afterwards", logits(model, tokens, HookFilter.none(), List.of()), plain, attempt);
        });
    }

    @Rule("4.16")
    Stream<Trial> aResultOfAnotherShapeOrTypeIsRefused() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            attempt.each(model.hookNames().points(), HookPoint::name, point -> {
                Hook shorter = Hook.at(point.name(), (activation, where) -> activation.slice(1, 1, -1));
                Refusal.of(
                                "a hook that returns fewer positions or heads",
                                IllegalArgumentException.class,
                                () -> model.runWithHooks(tokens, shorter))
                        .hasMessageContaining(point.name());
                Hook other = Hook.at(point.name(), (activation, where) -> activation.to(DType.INT64));
                Refusal.of(
                                "a hook that returns whole numbers",
                                IllegalArgumentException.class,
                                () -> model.runWithHooks(tokens, other))
                        .hasMessageContaining(point.name())
                        .hasMessageContaining("int64")
                        .hasMessageContaining("float32");
            });
        });
    }

    @Rule("4.17")
    Stream<Trial> severalEditsActTogether() {
        return eachModel((pair, attempt) -> {
            Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
            List<HookPoint> points = pair.mine().hookNames().points();
            SplittableRandom random = attempt.random(1);
            List<List<Hook>> draws = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                List<Hook> hooks = new ArrayList<>();
                for (int j = 0; j < 2 + i % 4; j++) {
                    hooks.add(Traces.disturbing(
                            points.get(random.nextInt(points.size())).name(), j));
                }
                draws.add(hooks);
            }
            attempt.each(
                    draws,
                    hooks -> "edits at "
                            + hooks.stream()
                                    .map(hook -> hook.points().toString())
                                    .toList(),
                    hooks -> compareOrRefuse(pair, tokens, hooks, attempt));
        });
    }

    /** Some edits contradict each other: then both backends must say so, in the same words. */
    private static void compareOrRefuse(Pair pair, Tokens tokens, List<Hook> hooks, Attempt attempt) {
        try {
            Traces.run(pair.truth(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), hooks);
        } catch (IllegalArgumentException refusal) {
            Refusal.of(
                            "edits that the reference refuses",
                            IllegalArgumentException.class,
                            () -> Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), hooks))
                    .hasMessage(refusal.getMessage());
            return;
        }
        compare(pair, tokens, Way.PADDED_RIGHT, HookFilter.standard(), hooks, attempt);
    }
}
