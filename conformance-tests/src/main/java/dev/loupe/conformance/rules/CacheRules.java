package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 5: what a run leaves behind. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class CacheRules {

    private final Models models;

    public CacheRules(Models models) {
        this.models = models;
    }

    private interface ModelBody {
        void run(Pair pair, Attempt attempt) throws Exception;
    }

    private Stream<Trial> eachModel(ModelBody body) {
        return Models.kinds().stream()
                .map(kind -> new Trial(kind.path(), attempt -> body.run(models.pair(kind, DType.FLOAT32), attempt)));
    }

    @Rule("5.1")
    Stream<Trial> theCacheRecordsWhatFlowsOn() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            Trace plain = Traces.run(model, tokens, Way.PADDED_RIGHT, HookFilter.everything(), List.of());
            attempt.each(model.hookNames().points(), HookPoint::name, point -> {
                String name = point.name();
                List<HostTensor> seen = new ArrayList<>();
                Hook read = Hook.at(name, (activation, where) -> {
                    seen.add(activation.toHost());
                    return null;
                });
                Hook first = Traces.disturbing(name, 1);
                Hook last = Traces.disturbing(name, 2);
                HookFilter one = HookFilter.names(name);
                HostTensor recorded = Traces.run(model, tokens, Way.PADDED_RIGHT, one, List.of(first, read, last))
                        .get(name);
                HostTensor expected = Traces.run(pair.truth(), tokens, Way.PADDED_RIGHT, one, List.of(first, last))
                        .get(name);
                int blocks = Traces.blocksBefore(name, model.config().nLayers());
                ModelTolerance.check("the cached value", recorded, expected, blocks, attempt.report(), name);
                assertThat(Traces.effect(plain.get(name), recorded))
                        .as("how far the cached value differs from that without edits")
                        .isGreaterThan(1e-3);
                assertThat(seen).as("values that the second hook saw").hasSize(1);
                assertThat(Traces.effect(plain.get(name), seen.get(0)))
                        .as("how far the value that the second hook sees differs from that without edits")
                        .isGreaterThan(1e-3);
            });
        });
    }

    @Rule("5.2")
    Stream<Trial> theCacheHoldsWhatWasAskedFor() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            attempt.each(model.hookNames().points(), HookPoint::name, point -> {
                RunRequest request = RunRequest.of(tokens).observe(point.name()).build();
                try (RunResult result = model.run(request)) {
                    assertThat(result.cache().keys()).as("names in the cache").containsExactly(point.name());
                }
            });
            try (RunResult result = model.run(
                    RunRequest.of(tokens).observe(HookFilter.everything()).build())) {
                assertThat(result.cache().keys())
                        .as("names in the cache of everything")
                        .containsExactlyElementsOf(model.hookNames().points().stream()
                                .map(HookPoint::name)
                                .toList());
            }
        });
    }

    @Rule("5.3")
    Stream<Trial> cachedValuesStayAsTheyWere() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), false);
            Tokens others = Traces.tokens(model, attempt.random(1), false);
            RunRequest all =
                    RunRequest.of(tokens).observe(HookFilter.everything()).build();
            try (RunResult first = model.run(all)) {
                Map<String, HostTensor> values = new LinkedHashMap<>();
                first.cache().items().forEach((name, tensor) -> values.put(name, tensor.toHost()));
                Trace before = new Trace(values);
                model.run(all).close();
                model.runWithHooks(tokens, Traces.disturbing("hook_embed", 5)).close();
                model.run(RunRequest.of(others).observe(HookFilter.everything()).build())
                        .close();
                first.cache()
                        .items()
                        .forEach((name, tensor) -> Comparison.of(tensor.toHost(), before.get(name), null)
                                .check(name + ", after other runs"));
            }
        });
    }

    @Rule("5.4")
    Stream<Trial> aPromptInPiecesIsThePromptInOne() {
        return eachModel((pair, attempt) -> {
            HookedTransformer model = pair.mine();
            Tokens tokens = Traces.tokens(model, attempt.random(0), true);
            HostTensor whole = Traces.run(model, tokens, Way.PADDED_LEFT, HookFilter.none(), List.of())
                    .logits();
            int vocabulary = model.config().dVocab();
            int positions = tokens.positions();
            List<int[]> cuts = List.of(new int[] {0, 4, 7}, new int[] {0, 5, 6, 7}, new int[] {0, 6, 7});
            attempt.each(cuts, java.util.Arrays::toString, cut -> {
                try (KeyValueCache cache = model.newKeyValueCache(tokens.batch())) {
                    for (int i = 1; i < cut.length; i++) {
                        RunRequest piece = RunRequest.of(Traces.part(tokens, cut[i - 1], cut[i]))
                                .keyValueCache(cache)
                                .build();
                        try (RunResult result = model.run(piece)) {
                            HostTensor found = result.logits().toHost();
                            HostTensor expected = positions(whole, cut[i - 1], cut[i], positions, vocabulary);
                            int blocks = 2
                                    * Traces.blocksBefore(
                                            Traces.LOGITS, model.config().nLayers());
                            String what = "the logits of positions " + cut[i - 1] + " to " + (cut[i] - 1);
                            ModelTolerance.check(what, found, expected, blocks, attempt.report(), attempt.path());
                        }
                    }
                }
            });
        });
    }

    private static HostTensor positions(HostTensor logits, int from, int to, int positions, int vocabulary) {
        HostTensor part = HostTensor.allocate(logits.dtype(), logits.shape().with(1, to - from));
        int target = 0;
        for (int i = 0; i < logits.shape().elements(); i++) {
            int position = i / vocabulary % positions;
            if (position >= from && position < to) {
                part.setDouble(target++, logits.getDouble(i));
            }
        }
        return part;
    }
}
