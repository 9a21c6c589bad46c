package dev.loupe.analysis.attribution;

import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import org.apiguardian.api.API;

/**
 * Integrated gradients of the embedding (Sundararajan, Taly and Yan 2017): what of the difference of a metric between two
 * runs is owed to each token's embedding, along the straight way from the corrupted one to the clean one.
 *
 * @param scores [batch, pos]
 * @param clean metric of the clean run
 * @param corrupted metric of the corrupted run
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record IntegratedGradients(Tensor scores, double clean, double corrupted) {

    /**
     * Attributes a metric to tokens.
     *
     * @param steps points on the way, at the middle of as many equal parts; at least 1
     */
    public static IntegratedGradients of(
            HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric, int steps) {
        AttributionPatching.requireSameShape(clean, corrupted);
        if (steps < 1) {
            throw new IllegalArgumentException("Integrated gradients need at least one step, got " + steps);
        }
        HookFilter embedding = HookFilter.names("hook_embed");
        try (TensorScope scope = TensorScope.open();
                RunResult right = AttributionPatching.run(model, clean, metric, embedding);
                RunResult wrong = AttributionPatching.run(model, corrupted, metric, embedding)) {
            Tensor from = wrong.cache().get("hook_embed");
            Tensor way = right.cache().get("hook_embed").sub(from);
            Tensor sum = from.mul(0);
            for (int k = 0; k < steps; k++) {
                Tensor at = from.add(way.mul((k + 0.5) / steps));
                try (RunResult run = model.run(RunRequest.of(corrupted)
                        .interventions(Intervention.set("hook_embed", at))
                        .gradients(metric, embedding)
                        .returns(RunRequest.Returns.NONE)
                        .build())) {
                    sum = sum.add(run.gradients().get("hook_embed"));
                }
            }
            return new IntegratedGradients(
                    scope.keep(sum.div(steps).mul(way).sum(-1)),
                    right.metric().sum().item(),
                    wrong.metric().sum().item());
        }
    }

    /** How far the scores' sum is from the difference of the metric, which it would be with ever more steps. */
    public double completenessError() {
        return scores.sum().item() - (clean - corrupted);
    }
}
