package dev.loupe.model;

import org.apiguardian.api.API;

/**
 * How a token is chosen from logits. The rules are those of the original's {@code sample_logits}: temperature 0 takes the
 * most likely token; otherwise logits are divided by the temperature, lowered by {@code freqPenalty} for each time a token
 * stands in the text so far, cut down to the {@code topK} best and then to the best that together reach {@code topP}, and
 * one is drawn. Before all that, at temperature 0 too, the repetition penalty changes the logits of tokens that stand in
 * the text.
 *
 * @param temperature 0 for greedy
 * @param topK only the k most likely; 0 for all
 * @param topP only the most likely that together have this probability, the one that crosses it included; 1 for all
 * @param freqPenalty taken from a logit for each time the token stands in the text so far, the prompt included; without
 *     effect at temperature 0
 * @param repetitionPenalty what a positive logit is divided by, and a negative one multiplied with, if the token stands in
 *     the text so far, however often (Keskar et al. 2019, as transformers does it); 1 for none
 * @param seed for drawing: the same seed gives the same tokens
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Sampling(
        double temperature, int topK, double topP, double freqPenalty, double repetitionPenalty, long seed) {

    /** Checks the ranges. */
    public Sampling {
        check(
                temperature >= 0 && Double.isFinite(temperature),
                "temperature must be 0 (greedy) or more, got " + temperature);
        check(topK >= 0, "topK must be 0 (all) or more, got " + topK);
        check(topP > 0 && topP <= 1, "topP must be over 0 and at most 1, got " + topP);
        check(Double.isFinite(freqPenalty), "freqPenalty must be a number, got " + freqPenalty);
        check(
                repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
                "repetitionPenalty must be over 0 (1 for none), got " + repetitionPenalty);
    }

    private static void check(boolean fits, String message) {
        if (!fits) {
            throw new IllegalArgumentException(message);
        }
    }

    /** The most likely token. */
    public static Sampling greedy() {
        return new Sampling(0, 0, 1, 0, 1, 0);
    }

    /** Drawn with a temperature. */
    public static Sampling of(double temperature, long seed) {
        return new Sampling(temperature, 0, 1, 0, 1, seed);
    }

    /** Whether nothing is left to chance. */
    public boolean isGreedy() {
        return temperature == 0;
    }

    /** The same with another temperature. */
    public Sampling withTemperature(double value) {
        return new Sampling(value, topK, topP, freqPenalty, repetitionPenalty, seed);
    }

    /** The same with the k most likely tokens only. */
    public Sampling withTopK(int k) {
        return new Sampling(temperature, k, topP, freqPenalty, repetitionPenalty, seed);
    }

    /** The same with the nucleus only. */
    public Sampling withTopP(double p) {
        return new Sampling(temperature, topK, p, freqPenalty, repetitionPenalty, seed);
    }

    /** The same with a penalty for each time that a token stands in the text. */
    public Sampling withFreqPenalty(double penalty) {
        return new Sampling(temperature, topK, topP, penalty, repetitionPenalty, seed);
    }

    /** The same with a penalty on tokens that stand in the text. */
    public Sampling withRepetitionPenalty(double penalty) {
        return new Sampling(temperature, topK, topP, freqPenalty, penalty, seed);
    }

    /** The same with another seed. */
    public Sampling withSeed(long value) {
        return new Sampling(temperature, topK, topP, freqPenalty, repetitionPenalty, value);
    }

    /** Something that chooses tokens in this way, beginning at the seed. */
    public Sampler sampler() {
        return new Sampler(this);
    }
}
