package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.conformance.Traces.Way;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.Tokens;
import java.util.List;
import java.util.stream.Stream;

/** Section 8, second part: the numbers of whole models. */
final class ModelNumericsRules {

    private final Bench bench;
    private final Models models;

    ModelNumericsRules(Bench bench, Models models) {
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
