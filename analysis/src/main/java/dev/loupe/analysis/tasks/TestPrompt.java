package dev.loupe.analysis.tasks;

import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * How a model takes to a known answer: the original's {@code test_prompt}.
 *
 * @param prompt the prompt's tokens, as text
 * @param steps one for each token of the answer; of several answers one for each of them
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record TestPrompt(List<String> prompt, List<Step> steps) {

    /**
     * A token and what the model makes of it.
     *
     * @param token its text
     * @param logit its logit
     * @param probability its probability
     */
    public record Candidate(String token, double logit, double probability) {}

    /**
     * One token of the answer, after the prompt and the answer's tokens before it.
     *
     * @param answer the token
     * @param rank how many tokens come before it; 0 for the best
     * @param top the best tokens, the best first
     */
    public record Step(Candidate answer, int rank, List<Candidate> top) {}

    /** Copies the lists. */
    public TestPrompt {
        prompt = List.copyOf(prompt);
        steps = List.copyOf(steps);
    }

    /**
     * Tries an answer.
     *
     * @param answer gets a space in front if it has none
     * @param topK how many of the best tokens are told at each step
     */
    public static TestPrompt run(HookedTransformer model, String prompt, String answer, int topK) {
        return run(model, prompt, answer, topK, true);
    }

    /** Tries an answer, as it is or with a space in front. */
    public static TestPrompt run(
            HookedTransformer model, String prompt, String answer, int topK, boolean prependSpaceToAnswer) {
        long[] before = model.toTokens(prompt).row(0);
        long[] after = tokens(model, answer, prependSpaceToAnswer);
        long[] all = Arrays.copyOf(before, before.length + after.length);
        System.arraycopy(after, 0, all, before.length, after.length);
        int[] positions = new int[after.length];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = before.length - 1 + i;
        }
        List<Step> steps = new ArrayList<>();
        try (Tensor logits = model.run(
                        RunRequest.of(Tokens.of(all)).logitsAt(positions).build())
                .logits()) {
            for (int i = 0; i < after.length; i++) {
                steps.add(step(model, logits.get(0, i), after[i], topK));
            }
        }
        return new TestPrompt(model.toStrTokens(before), steps);
    }

    /**
     * Tries several answers at once, of each its first token: whether the model prefers one to the others. The original's
     * {@code test_prompt} with a list of answers.
     *
     * @param answers get a space in front if they have none
     * @param topK how many of the best tokens are told
     * @return a step for each answer, in the order given, all after the prompt alone
     * @throws IllegalArgumentException if there is no answer, or one has no tokens, or two begin with the same token
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public static TestPrompt run(HookedTransformer model, String prompt, List<String> answers, int topK) {
        return run(model, prompt, answers, topK, true);
    }

    /** Tries several answers at once, of each its first token, as they are or with a space in front. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public static TestPrompt run(
            HookedTransformer model, String prompt, List<String> answers, int topK, boolean prependSpaceToAnswer) {
        if (answers.isEmpty()) {
            throw new IllegalArgumentException("There are no answers to try");
        }
        Map<Long, String> first = new LinkedHashMap<>();
        for (String answer : answers) {
            long token = tokens(model, answer, prependSpaceToAnswer)[0];
            String same = first.putIfAbsent(token, answer);
            if (same != null) {
                throw new IllegalArgumentException("The answers \"" + same + "\" and \"" + answer
                        + "\" begin with one token, " + model.toStrTokens(new long[] {token})
                        + ", so the first token can't tell them apart; try them one at a time");
            }
        }
        long[] before = model.toTokens(prompt).row(0);
        List<Step> steps = new ArrayList<>();
        try (Tensor logits =
                model.run(RunRequest.of(Tokens.of(before)).logitsAt(-1).build()).logits()) {
            first.keySet().forEach(token -> steps.add(step(model, logits.get(0, 0), token, topK)));
        }
        return new TestPrompt(model.toStrTokens(before), steps);
    }

    private static long[] tokens(HookedTransformer model, String answer, boolean prependSpace) {
        String text = prependSpace && !answer.startsWith(" ") ? " " + answer : answer;
        long[] tokens = model.toContinuationTokens(text);
        if (tokens.length == 0) {
            throw new IllegalArgumentException("The answer is empty: \"" + answer + "\" has no tokens");
        }
        return tokens;
    }

    private static Step step(HookedTransformer model, Tensor logits, long answer, int topK) {
        Tensor wide = logits.dtype().bytes() < 4 ? logits.to(DType.FLOAT32) : logits;
        double total = wide.logSumExp(-1).item();
        double[] numbers = wide.toDoubleArray();
        double own = numbers[(int) answer];
        int rank = (int) Arrays.stream(numbers).filter(logit -> logit > own).count();
        List<Candidate> top = new ArrayList<>();
        for (long id : wide.topk(Math.min(topK, numbers.length), -1).indices().toLongArray()) {
            top.add(candidate(model, id, numbers[(int) id], total));
        }
        return new Step(candidate(model, answer, own, total), rank, List.copyOf(top));
    }

    private static Candidate candidate(HookedTransformer model, long id, double logit, double total) {
        return new Candidate(model.toStrTokens(new long[] {id}).get(0), logit, Math.exp(logit - total));
    }

    /** The steps as lines of text. */
    public String report() {
        StringBuilder out =
                new StringBuilder("Tokenized prompt: ").append(quoted(prompt)).append('\n');
        for (Step step : steps) {
            Candidate answer = step.answer();
            out.append(String.format(
                    Locale.ROOT,
                    "Answer token |%s|: rank %d, logit %.2f, probability %.2f%%%n",
                    answer.token(),
                    step.rank(),
                    answer.logit(),
                    100 * answer.probability()));
            for (int i = 0; i < step.top().size(); i++) {
                Candidate candidate = step.top().get(i);
                out.append(String.format(
                        Locale.ROOT,
                        "  top %d: logit %.2f, probability %.2f%%, token |%s|%n",
                        i,
                        candidate.logit(),
                        100 * candidate.probability(),
                        candidate.token()));
            }
        }
        return out.toString();
    }

    private static String quoted(List<String> tokens) {
        return tokens.stream().map(token -> "|" + token + "|").toList().toString();
    }
}
