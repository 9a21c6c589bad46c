package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Kind;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * Section 10: interventions, spliced into the graph on the backend on trial, do what the hook that says the same does on
 * the reference in float64.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class InterventionRules {

    private final Models models;

    public InterventionRules(Models models) {
        this.models = models;
    }

    private static InterventionCheck check(Pair pair, Attempt attempt) {
        Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
        return new InterventionCheck(pair, tokens, attempt.report(), edits -> edits);
    }

    private static Stream<Kind> raw() {
        return Models.kinds().stream().filter(kind -> !kind.processed());
    }

    @Rule("10.1")
    Stream<Trial> anInterventionDoesWhatTheHookThatSaysTheSameDoes() {
        List<Kind> kinds = raw().toList();
        List<Trial> trials = new ArrayList<>();
        for (int i = 0; i < kinds.size(); i++) {
            trials.add(trial(kinds.get(i), DType.FLOAT32, i));
        }
        // What is fed is converted to the model's type: one model says whether in float64 too.
        if (models.computes(DType.FLOAT64)) {
            trials.add(trial(kinds.get(0), DType.FLOAT64, kinds.size()));
        }
        return trials.stream();
    }

    private Trial trial(Kind kind, DType type, int number) {
        return new Trial(kind.path() + (type == DType.FLOAT32 ? "" : "/" + type), attempt -> {
            Pair pair = models.pair(kind, type);
            InterventionCheck check = check(pair, attempt);
            attempt.each(
                    pair.mine().hookNames().points(),
                    HookPoint::name,
                    point -> share(number, check.actions(point)).forEach(action -> check.effect(point, action)));
        });
    }

    @Rule("10.2")
    Stream<Trial> interventionsAndHooksRunInTheOrderGiven() {
        return raw().map(kind -> new Trial(kind.path(), attempt -> {
            Pair pair = models.pair(kind, DType.FLOAT32);
            List<HookPoint> points = pair.mine().hookNames().points();
            check(pair, attempt).order(points.get(points.size() / 2).name());
        }));
    }

    @Rule("10.4")
    Stream<Trial> derivativesThroughEachKindAreThoseOfCentralDifferences() {
        List<Kind> kinds = raw().toList();
        return kinds.stream()
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Pair pair = models.pair(kind, DType.FLOAT32);
                    InterventionCheck check = check(pair, attempt);
                    List<Intervention> all = new ArrayList<>();
                    for (String name :
                            List.of("blocks.0.attn.hook_pattern", "blocks.0.attn.hook_z", "blocks.1.hook_resid_pre")) {
                        HookPoint point = pair.mine().hookNames().resolve(name);
                        share(kinds.indexOf(kind), check.actions(point))
                                .forEach(action -> all.add(action.intervention()));
                    }
                    attempt.each(
                            all,
                            Intervention::toString,
                            one -> check.derivative(one, attempt.random(all.indexOf(one))));
                }));
    }

    /** Everything for the first architecture; a third for others, of which three in a row have everything. */
    private static List<InterventionCheck.Twice> share(int kind, List<InterventionCheck.Twice> actions) {
        return IntStream.range(0, actions.size())
                .filter(i -> kind == 0 || i % 3 == kind % 3)
                .mapToObj(actions::get)
                .toList();
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
