package dev.loupe.model;

import dev.loupe.hook.Edit;
import java.util.List;

/**
 * How to generate. The rules are those of the original's {@code sample_logits}: temperature 0 takes the most likely
 * token; otherwise logits are divided by the temperature, lowered by {@code freqPenalty} for each time a token
 * stands in the text so far, cut down to the {@code topK} best and then to the best that together reach {@code topP},
 * and one is drawn.
 *
 * @param maxNewTokens how many tokens at most; at least 0
 * @param temperature 0 for greedy
 * @param topK only the k most likely; 0 for all
 * @param topP only the most likely that together have this probability, the one that crosses it included; 1 for all
 * @param freqPenalty taken from a logit for each time the token stands in the text so far, the prompt included
 * @param seed for drawing: the same seed gives the same tokens
 * @param stopAtEos whether a sequence ends at an EOS token
 * @param useKeyValueCache whether keys and values of earlier positions are kept instead of computed again
 * @param hooks hooks and interventions of every step
 */
public record GenerateOptions(
        int maxNewTokens,
        double temperature,
        int topK,
        double topP,
        double freqPenalty,
        long seed,
        boolean stopAtEos,
        boolean useKeyValueCache,
        List<Edit> hooks) {

    /** Checks the ranges. */
    public GenerateOptions {
        check(maxNewTokens >= 0, "maxNewTokens must be 0 or more, got " + maxNewTokens);
        check(temperature >= 0, "temperature must be 0 (greedy) or more, got " + temperature);
        check(topK >= 0, "topK must be 0 (all) or more, got " + topK);
        check(topP > 0 && topP <= 1, "topP must be over 0 and at most 1, got " + topP);
        check(Double.isFinite(freqPenalty), "freqPenalty must be a number, got " + freqPenalty);
        hooks = List.copyOf(hooks);
    }

    private static void check(boolean fits, String message) {
        if (!fits) {
            throw new IllegalArgumentException(message);
        }
    }

    /** The most likely token at each step. */
    public static GenerateOptions greedy(int maxNewTokens) {
        return new GenerateOptions(maxNewTokens, 0, 0, 1, 0, 0, true, true, List.of());
    }

    /** Drawn with a temperature. */
    public static GenerateOptions sampling(int maxNewTokens, double temperature, long seed) {
        return new GenerateOptions(maxNewTokens, temperature, 0, 1, 0, seed, true, true, List.of());
    }

    /** The same options with another number of tokens. */
    public GenerateOptions withMaxNewTokens(int count) {
        return new GenerateOptions(
                count, temperature, topK, topP, freqPenalty, seed, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options with another temperature. */
    public GenerateOptions withTemperature(double value) {
        return new GenerateOptions(
                maxNewTokens, value, topK, topP, freqPenalty, seed, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options with the k most likely tokens only. */
    public GenerateOptions withTopK(int k) {
        return new GenerateOptions(
                maxNewTokens, temperature, k, topP, freqPenalty, seed, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options with nucleus sampling. */
    public GenerateOptions withTopP(double p) {
        return new GenerateOptions(
                maxNewTokens, temperature, topK, p, freqPenalty, seed, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options with a penalty on repetition. */
    public GenerateOptions withFreqPenalty(double penalty) {
        return new GenerateOptions(
                maxNewTokens, temperature, topK, topP, penalty, seed, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options with another seed. */
    public GenerateOptions withSeed(long value) {
        return new GenerateOptions(
                maxNewTokens, temperature, topK, topP, freqPenalty, value, stopAtEos, useKeyValueCache, hooks);
    }

    /** The same options, ending at EOS or not. */
    public GenerateOptions withStopAtEos(boolean stop) {
        return new GenerateOptions(
                maxNewTokens, temperature, topK, topP, freqPenalty, seed, stop, useKeyValueCache, hooks);
    }

    /** The same options with or without the key/value cache. */
    public GenerateOptions withKeyValueCache(boolean use) {
        return new GenerateOptions(maxNewTokens, temperature, topK, topP, freqPenalty, seed, stopAtEos, use, hooks);
    }

    /** The same options with hooks that run at every step. */
    public GenerateOptions withHooks(Edit... list) {
        return new GenerateOptions(
                maxNewTokens, temperature, topK, topP, freqPenalty, seed, stopAtEos, useKeyValueCache, List.of(list));
    }
}
