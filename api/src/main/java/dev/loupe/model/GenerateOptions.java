package dev.loupe.model;

import dev.loupe.hook.Edit;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * How to generate.
 *
 * @param maxNewTokens how many tokens at most; at least 0
 * @param sampling how each token is chosen
 * @param stopAtEos whether a sequence ends at an EOS token
 * @param eosIds the tokens that end a sequence; empty for the model's own
 * @param samples how many continuations of each prompt; they stand together in the result
 * @param useKeyValueCache whether keys and values of earlier positions are kept instead of computed again
 * @param hooks hooks and interventions of every step
 */
@API(status = API.Status.STABLE, since = "0.1")
public record GenerateOptions(
        int maxNewTokens,
        Sampling sampling,
        boolean stopAtEos,
        List<Long> eosIds,
        int samples,
        boolean useKeyValueCache,
        List<Edit> hooks) {

    /** Checks the ranges. */
    public GenerateOptions {
        if (maxNewTokens < 0) {
            throw new IllegalArgumentException("maxNewTokens must be 0 or more, got " + maxNewTokens);
        }
        if (samples < 1) {
            throw new IllegalArgumentException("samples must be 1 or more, got " + samples);
        }
        if (samples > 1 && sampling.isGreedy()) {
            throw new IllegalArgumentException(
                    samples
                            + " samples at temperature 0 would be one text over and over; set a temperature, or take one sample");
        }
        Set<Long> distinct = new LinkedHashSet<>(eosIds);
        distinct.forEach(id -> {
            if (id < 0) {
                throw new IllegalArgumentException("EOS ids must be 0 or more, got " + id);
            }
        });
        eosIds = List.copyOf(distinct);
        hooks = List.copyOf(hooks);
    }

    /** The most likely token at each step. */
    public static GenerateOptions greedy(int maxNewTokens) {
        return of(maxNewTokens, Sampling.greedy());
    }

    /** Drawn with a temperature. */
    public static GenerateOptions sampling(int maxNewTokens, double temperature, long seed) {
        return of(maxNewTokens, Sampling.of(temperature, seed));
    }

    /** Tokens chosen in a way that is given. */
    public static GenerateOptions of(int maxNewTokens, Sampling sampling) {
        return new GenerateOptions(maxNewTokens, sampling, true, List.of(), 1, true, List.of());
    }

    /** The same options with another number of tokens. */
    public GenerateOptions withMaxNewTokens(int count) {
        return new GenerateOptions(count, sampling, stopAtEos, eosIds, samples, useKeyValueCache, hooks);
    }

    /** The same options with another way to choose tokens. */
    public GenerateOptions withSampling(Sampling how) {
        return new GenerateOptions(maxNewTokens, how, stopAtEos, eosIds, samples, useKeyValueCache, hooks);
    }

    /** The same options with another temperature. */
    public GenerateOptions withTemperature(double value) {
        return withSampling(sampling.withTemperature(value));
    }

    /** The same options with the k most likely tokens only. */
    public GenerateOptions withTopK(int k) {
        return withSampling(sampling.withTopK(k));
    }

    /** The same options with nucleus sampling. */
    public GenerateOptions withTopP(double p) {
        return withSampling(sampling.withTopP(p));
    }

    /** The same options with a penalty for each time that a token stands in the text. */
    public GenerateOptions withFreqPenalty(double penalty) {
        return withSampling(sampling.withFreqPenalty(penalty));
    }

    /** The same options with a penalty on tokens that stand in the text. */
    public GenerateOptions withRepetitionPenalty(double penalty) {
        return withSampling(sampling.withRepetitionPenalty(penalty));
    }

    /** The same options with another seed. */
    public GenerateOptions withSeed(long value) {
        return withSampling(sampling.withSeed(value));
    }

    /** The same options, ending at EOS or not. */
    public GenerateOptions withStopAtEos(boolean stop) {
        return new GenerateOptions(maxNewTokens, sampling, stop, eosIds, samples, useKeyValueCache, hooks);
    }

    /**
     * The same options, ending a sequence at any of these tokens instead of the model's own EOS. Sequences that end early
     * are filled up with that token if it is one, else with the model's own EOS, or the first of these if it has none.
     *
     * @throws IllegalArgumentException when generating, if an id is outside the model's vocabulary
     */
    public GenerateOptions withEosIds(long... ids) {
        List<Long> list = Arrays.stream(ids).boxed().toList();
        return new GenerateOptions(maxNewTokens, sampling, true, list, samples, useKeyValueCache, hooks);
    }

    /** The same options with several continuations of each prompt. */
    public GenerateOptions withSamples(int count) {
        return new GenerateOptions(maxNewTokens, sampling, stopAtEos, eosIds, count, useKeyValueCache, hooks);
    }

    /** The same options with or without the key/value cache. */
    public GenerateOptions withKeyValueCache(boolean use) {
        return new GenerateOptions(maxNewTokens, sampling, stopAtEos, eosIds, samples, use, hooks);
    }

    /** The same options with hooks that run at every step. */
    public GenerateOptions withHooks(Edit... list) {
        return new GenerateOptions(maxNewTokens, sampling, stopAtEos, eosIds, samples, useKeyValueCache, List.of(list));
    }
}
