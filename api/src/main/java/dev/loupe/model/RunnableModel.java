package dev.loupe.model;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.hook.Edit;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apiguardian.api.API;

/** The short forms of running a model: the part of {@link HookedTransformer} that makes requests out of wishes. */
abstract class RunnableModel extends TextModel {

    RunnableModel(TransformerConfig config, Weights weights, TextTokens text) {
        super(config, weights, text);
    }

    /**
     * Runs a request: the general form of everything else that runs. A run that has begun when the model is closed goes on to
     * its end.
     *
     * @throws IllegalStateException if the model was closed before
     */
    public abstract RunResult run(RunRequest request);

    /** Logits [batch, pos, d_vocab]. */
    public Tensor forward(Tokens tokens) {
        return run(RunRequest.of(tokens).build()).logits();
    }

    /** Logits [1, pos, d_vocab] of a text. */
    public Tensor forward(String input) {
        return forward(toTokens(input));
    }

    /** Logits [batch, pos, d_vocab] of several texts, padded at a side; what stands at padding means nothing. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tensor forward(List<String> inputs, PaddingSide side) {
        return forward(toTokens(inputs, side));
    }

    /**
     * Mean cross-entropy of each next token, in nats; padding doesn't count.
     *
     * @throws IllegalStateException if there is no next token: every sequence has one token alone
     */
    public double loss(Tokens tokens) {
        try (RunResult result = run(RunRequest.of(tokens).returns(Returns.LOSS).build())) {
            return result.loss();
        }
    }

    /** Mean cross-entropy of a text's tokens, in nats. */
    public double loss(String input) {
        return loss(toTokens(input));
    }

    /** Mean cross-entropy of the tokens of several texts, padded at a side, in nats; padding doesn't count. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public double loss(List<String> inputs, PaddingSide side) {
        return loss(toTokens(inputs, side));
    }

    /** Cross-entropy of each next token [batch, pos−1], in nats; 0 where either side is padding. */
    public Tensor lossPerToken(Tokens tokens) {
        return run(RunRequest.of(tokens).returns(Returns.LOSS).build()).lossPerToken();
    }

    /** Logits, and every standard activation. */
    public CachedRun runWithCache(Tokens tokens) {
        return runWithCache(tokens, HookFilter.standard());
    }

    /** Logits, and every standard activation, of a text. */
    public CachedRun runWithCache(String input) {
        return runWithCache(toTokens(input));
    }

    /** Logits, and every standard activation, of several texts, padded at a side. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public CachedRun runWithCache(List<String> inputs, PaddingSide side) {
        return runWithCache(toTokens(inputs, side));
    }

    /** Logits, and chosen activations. */
    public CachedRun runWithCache(Tokens tokens, HookFilter names) {
        return cached(RunRequest.of(tokens).observe(names));
    }

    private CachedRun cached(RunRequest.Builder request) {
        RunResult result = run(request.build());
        return new CachedRun(result.logits(), result.cache());
    }

    /** Logits, and chosen positions of chosen activations. */
    public CachedRun runWithCache(Tokens tokens, HookFilter names, Index positions) {
        return cached(RunRequest.of(tokens).observe(names).observePositions(positions));
    }

    /**
     * Logits, and chosen activations moved to a device by its name ({@code cpu}) as the run goes.
     *
     * @throws dev.loupe.backend.BackendUnavailableException if the model's backend has no such device; names it
     */
    public CachedRun runWithCache(Tokens tokens, HookFilter names, String device) {
        return cached(RunRequest.of(tokens).observe(names).observeOn(device));
    }

    /** Logits of a run with hooks, which belong to this run alone. */
    public Tensor runWithHooks(Tokens tokens, Edit... hooks) {
        return run(RunRequest.of(tokens).hooks(hooks).build()).logits();
    }

    /** Logits of a text, run with hooks, which belong to this run alone. */
    public Tensor runWithHooks(String input, Edit... hooks) {
        return runWithHooks(toTokens(input), hooks);
    }

    /** Logits of several texts, padded at a side, run with hooks, which belong to this run alone. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tensor runWithHooks(List<String> inputs, PaddingSide side, Edit... hooks) {
        return runWithHooks(toTokens(inputs, side), hooks);
    }

    /** Logits of a run with interventions, which belong to this run alone. */
    public Tensor runWith(Tokens tokens, Intervention... interventions) {
        return runWithHooks(tokens, interventions);
    }

    /** Logits of a text, run with interventions, which belong to this run alone. */
    public Tensor runWith(String input, Intervention... interventions) {
        return runWith(toTokens(input), interventions);
    }

    // Derivatives.

    /**
     * Derivatives of a metric with respect to what leaves every standard hook point: {@code model.gradients(tokens,
     * Metric.logitDifference(model, " Mary", " John"))}.
     */
    public GradientCache gradients(Tokens tokens, Metric metric) {
        return gradients(tokens, metric, HookFilter.standard());
    }

    /** Derivatives of a metric with respect to what leaves every standard hook point, of a text. */
    public GradientCache gradients(String input, Metric metric) {
        return gradients(toTokens(input), metric);
    }

    /** Derivatives of a metric with respect to what leaves chosen hook points, optional ones too. */
    public GradientCache gradients(Tokens tokens, Metric metric, HookFilter points) {
        RunResult result = run(RunRequest.of(tokens)
                .returns(Returns.NONE)
                .gradients(metric, points)
                .build());
        result.metric().close();
        return result.gradients();
    }

    /** Logits, every standard activation, and the derivative of a metric with respect to each. */
    public GradientRun runWithCacheAndGradients(Tokens tokens, Metric metric) {
        return runWithCacheAndGradients(tokens, metric, HookFilter.standard());
    }

    /** Logits, chosen activations, and the derivative of a metric with respect to each. */
    public GradientRun runWithCacheAndGradients(Tokens tokens, Metric metric, HookFilter points) {
        RunResult result = run(
                RunRequest.of(tokens).observe(points).gradients(metric, points).build());
        return new GradientRun(result.logits(), result.cache(), result.gradients(), result.metric());
    }

    // Generation.

    /** The text with its continuation, special tokens dropped. */
    public String generate(String prompt, GenerateOptions how) {
        if (how.samples() > 1) {
            throw new IllegalArgumentException(
                    how.samples() + " samples are more than one text: ask with generate(List.of(prompt), how)");
        }
        return generate(List.of(prompt), how).get(0);
    }

    /**
     * Several texts with their continuations, special tokens dropped. Where {@linkplain GenerateOptions#samples several} are
     * asked for, those of one prompt stand together. Prompts are padded at the left for it, whatever the model's habit; the
     * side makes no difference to the result.
     */
    public List<String> generate(List<String> prompts, GenerateOptions how) {
        return generate(toTokens(prompts, config.defaultPrependBos(), true), how).stream()
                .map(ids -> toString(ids, true))
                .toList();
    }

    /**
     * Prompts and continuations as ids, without padding; sequences that ended early are filled up with EOS. Where {@linkplain
     * GenerateOptions#samples several} are asked for, those of one prompt stand together.
     */
    public List<long[]> generate(Tokens prompt, GenerateOptions how) {
        return generate(prompt, how, step -> {});
    }

    /** As {@link #generate(Tokens, GenerateOptions)}, telling each step's new ids, one for each sequence. */
    public List<long[]> generate(Tokens prompt, GenerateOptions how, Consumer<long[]> onStep) {
        return tokens(stream(prompt, how), onStep);
    }

    private static List<long[]> tokens(Generation begun, Consumer<long[]> onStep) {
        try (Generation generation = begun) {
            while (generation.hasNext()) {
                onStep.accept(generation.next());
            }
            return generation.tokens();
        }
    }

    /**
     * Prompts and continuations as ids, and the logits from which each token was chosen [sequence, new token, d_vocab].
     *
     * @throws IllegalArgumentException if prompt and new tokens together are longer than n_ctx
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Generated generateWithLogits(Tokens prompt, GenerateOptions how) {
        return withLogits(stream(prompt, how));
    }

    /**
     * Continuations of what begins with embeddings instead of tokens: the ids that follow, and their logits.
     *
     * @param embeddings what would leave {@code hook_embed}, before positions are added [batch, pos, d_model], without
     *     padding
     * @throws IllegalArgumentException if the shape doesn't fit, or positions and new tokens together are more than n_ctx
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Generated generateWithLogits(Tensor embeddings, GenerateOptions how) {
        return withLogits(stream(embeddings, how));
    }

    private static Generated withLogits(Generation begun) {
        List<Tensor> steps = new ArrayList<>();
        try (Generation generation = begun) {
            while (generation.hasNext()) {
                generation.next();
                steps.add(generation.logits());
            }
            List<long[]> tokens = generation.tokens();
            Tensor logits = steps.isEmpty() ? generation.noLogits() : Tensor.stack(1, steps);
            return new Generated(tokens, logits);
        } finally {
            steps.forEach(Tensor::close);
        }
    }

    /**
     * Ids that continue what begins with embeddings, without what was embedded.
     *
     * @param embeddings what would leave {@code hook_embed}, before positions are added [batch, pos, d_model], without
     *     padding
     * @throws IllegalArgumentException if the shape doesn't fit, or positions and new tokens together are more than n_ctx
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public List<long[]> generate(Tensor embeddings, GenerateOptions how) {
        return tokens(stream(embeddings, how), step -> {});
    }

    /**
     * A continuation, token by token.
     *
     * @throws IllegalArgumentException if prompt and new tokens together are longer than n_ctx
     */
    public Generation stream(Tokens prompt, GenerateOptions how) {
        return Generation.of(asHooked(), prompt, how, text().ends(how.eosIds()));
    }

    /**
     * A continuation of what begins with embeddings, token by token.
     *
     * @param embeddings what would leave {@code hook_embed}, before positions are added [batch, pos, d_model], without
     *     padding; has to stay open
     * @throws IllegalArgumentException if the shape doesn't fit, or positions and new tokens together are more than n_ctx
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Generation stream(Tensor embeddings, GenerateOptions how) {
        return Generation.of(asHooked(), embeddings, how, text().ends(how.eosIds()));
    }

    /** This, as the one class that there is of it. */
    abstract HookedTransformer asHooked();
}
