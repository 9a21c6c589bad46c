package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.Tokens;
import java.util.List;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 8, second part: the numbers of whole models. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ModelNumericsRules {

    private final Bench bench;
    private final Models models;

    public ModelNumericsRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    @Rule("8.1")
    Stream<Trial> modelsRepeatThemselves() {
        return Models.kinds().stream()
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Models.Pair pair = models.pair(kind, DType.FLOAT32);
                    Tokens tokens = Traces.tokens(pair.mine(), attempt.random(0), false);
                    boolean exact = bench.capabilities().deterministic();
                    List<Hook> edit = List.of(Traces.disturbing("hook_embed", 3));
                    Trace first = Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), edit);
                    for (int i = 0; i < 3; i++) {
                        Trace again = Traces.run(pair.mine(), tokens, Way.PADDED_RIGHT, HookFilter.standard(), edit);
                        if (exact) {
                            again.forEach((name, value) ->
                                    Comparison.of(value, first.get(name), null).check(name + ", run again"));
                        } else {
                            Traces.compare(pair.mine(), again, first, 2, attempt.report());
                        }
                    }
                }));
    }
}
