package dev.loupe.analysis.residual;

import dev.loupe.array.DType;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * What a model would answer if it stopped at a layer: the residual stream of each layer through the final norm and the
 * unembedding ("interpreting GPT: the logit lens", nostalgebraist, 2020).
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class LogitLens {

    private final ActivationCache cache;
    private final HookedTransformer model;
    private final boolean inclMid;
    private final int topK;
    private final long[] watched;

    private LogitLens(ActivationCache cache, boolean inclMid, int topK, long[] watched) {
        this.cache = cache;
        this.model = cache.model();
        this.inclMid = inclMid;
        this.topK = topK;
        this.watched = watched;
    }

    /** A lens on a cached run, which tells the 5 best tokens. */
    public static LogitLens of(ActivationCache cache) {
        return new LogitLens(cache, false, 5, new long[0]);
    }

    /** Looks between attention and MLP of each layer too. */
    public LogitLens inclMid() {
        return new LogitLens(cache, true, topK, watched);
    }

    /** How many of the best tokens are told. */
    public LogitLens topK(int count) {
        if (count < 1 || count > model.config().dVocab()) {
            throw new IllegalArgumentException(
                    "topK must be from 1 to " + model.config().dVocab() + ", the size of the vocabulary; got " + count);
        }
        return new LogitLens(cache, inclMid, count, watched);
    }

    /** Tokens whose logit, probability and rank are told at each place. */
    public LogitLens watch(long... tokens) {
        for (long token : tokens) {
            if (token < 0 || token >= model.config().dVocab()) {
                throw new IllegalArgumentException("There is no token " + token + ": the model has ids from 0 to "
                        + (model.config().dVocab() - 1));
            }
        }
        return new LogitLens(cache, inclMid, topK, tokens.clone());
    }

    /** Looks. Logits are made layer by layer and dropped: memory doesn't grow with layers times vocabulary. */
    public LensReading read() {
        StackOptions options = StackOptions.defaults();
        ResidualStack stack = CacheAnalysis.of(cache).accumulatedResid(inclMid ? options.inclMid() : options);
        List<Tensor> ids = new ArrayList<>();
        List<Tensor> probabilities = new ArrayList<>();
        List<Tensor> watchedLogits = new ArrayList<>();
        List<Tensor> watchedProbabilities = new ArrayList<>();
        List<Tensor> ranks = new ArrayList<>();
        for (int layer = 0; layer < stack.size(); layer++) {
            Tensor residual = stack.values().select(0, layer);
            Tensor batched = cache.hasBatchDim() ? residual : residual.unsqueeze(0);
            try (Tensor logits = logits(batched)) {
                Tensor total = logits.logSumExp(-1).unsqueeze(-1);
                Tensor.TopK top = logits.topk(topK, -1);
                ids.add(top.indices());
                probabilities.add(top.values().sub(total).exp());
                if (watched.length > 0) {
                    Tensor chosen = logits.pick(-1, watched);
                    watchedLogits.add(chosen);
                    watchedProbabilities.add(chosen.sub(total).exp());
                    ranks.add(ranks(logits, chosen));
                }
            }
        }
        return new LensReading(
                model,
                stack.labels(),
                Tensor.stack(0, ids),
                Tensor.stack(0, probabilities),
                watched,
                watched.length == 0
                        ? List.of()
                        : List.of(
                                Tensor.stack(0, watchedLogits),
                                Tensor.stack(0, watchedProbabilities),
                                Tensor.stack(0, ranks)));
    }

    /** Logits [batch, pos, d_vocab] of the model's end, soft cap and all, in float32 at least. */
    private Tensor logits(Tensor residual) {
        RunResult result = model.run(RunRequest.builder()
                .feed(model.hookNames().resolve("resid_post", -1).name(), residual)
                .modelHooks(false)
                .build());
        Tensor logits = result.logits();
        return logits.dtype().bytes() < 4 ? logits.to(DType.FLOAT32) : logits;
    }

    /** How many tokens have a higher logit: 0 for the best. */
    private Tensor ranks(Tensor logits, Tensor chosen) {
        List<Tensor> ranks = new ArrayList<>();
        for (int i = 0; i < watched.length; i++) {
            Tensor higher = logits.gt(chosen.slice(-1, i, i + 1));
            ranks.add(higher.to(logits.dtype()).sum(-1).to(DType.INT64));
        }
        return Tensor.stack(-1, ranks);
    }
}
