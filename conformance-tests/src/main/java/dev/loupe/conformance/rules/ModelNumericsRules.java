package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.kit.Attempt;
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
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 8, second part: the numbers of whole models. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ModelNumericsRules {

    /**
     * Three times what Hugging Face's own bfloat16 shows on trained models (0.4 to 0.6% of the largest logit, measured on
     * four).
     */
    private static final double OF_LARGEST_LOGIT = 0.015;

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

    @Rule("8.8")
    Stream<Trial> modelsInSixteenBitsAreThoseOfFloat32ButForTheirRounding() {
        return Stream.of(DType.values())
                .filter(type -> type.isSixteenBits()
                        && (models.computes(type)
                                || bench.capabilities().storeDTypes().contains(type)))
                .flatMap(type -> Models.kinds().stream()
                        .map(kind -> new Trial(
                                type.label() + "/" + kind.path(), attempt -> compareWithFloat32(kind, type, attempt))));
    }

    private void compareWithFloat32(Models.Kind kind, DType type, Attempt attempt) {
        HookedTransformer mine = models.pair(kind, type).mine();
        HookedTransformer truth = models.pair(kind, DType.FLOAT32).truth();
        long[] ids = new long[Math.min(7, truth.config().nCtx())];
        SplittableRandom random = attempt.random(0);
        Arrays.setAll(ids, i -> random.nextInt(truth.config().dVocab()));
        Tokens tokens = Tokens.of(new long[][] {ids});
        try (Tensor found = mine.forward(tokens);
                Tensor expected = truth.forward(tokens)) {
            double[] have = found.toDoubleArray();
            double[] want = expected.toDoubleArray();
            double largest = 0;
            double squares = 0;
            for (int i = 0; i < want.length; i++) {
                largest = Math.max(largest, Math.abs(want[i]));
                squares += (have[i] - want[i]) * (have[i] - want[i]);
            }
            HostTensor error = HostTensor.of(Shape.of(1), Math.sqrt(squares / want.length) / largest);
            Comparison comparison =
                    Comparison.of(error, HostTensor.of(Shape.of(1), 0.0), new double[] {OF_LARGEST_LOGIT});
            attempt.report().measured("(logits of " + kind.path() + ")", type, comparison, tokens.toString());
            comparison.check("The logits' error in " + type
                    + " against float32's, root mean square as a part of the largest logit,");
        }
    }
}
