package dev.loupe.analysis.tasks;

import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apiguardian.api.API;

/**
 * Prompts of indirect object identification ("Interpretability in the Wild", Wang and others, 2022): two names, one of
 * them again, and the model is to say the other one.
 *
 * @param model whose tokens they are
 * @param prompts the prompts
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record IoiDataset(HookedTransformer model, List<IoiPrompt> prompts) {

    private static final List<String> NAMES = List.of(
            "Mary", "John", "Tom", "James", "Anna", "Alice", "Bob", "Sarah", "Kate", "David", "Paul", "Lucy", "Emma",
            "Mark", "Peter", "Laura", "Jack", "Ben", "Lisa", "Sam", "George", "Michael", "Robert", "Susan");
    private static final List<String> PLACES =
            List.of("store", "park", "school", "garden", "station", "office", "market", "library");
    private static final List<String> OBJECTS =
            List.of("drink", "book", "ring", "kiss", "letter", "ball", "flower", "key");
    // [A] and [B] are the two names in the order in which they come, [S] the one that comes again.
    private static final List<String> TEMPLATES = List.of(
            "When [A] and [B] went to the [PLACE], [S] gave a [OBJECT] to",
            "Then, [A] and [B] went to the [PLACE]. [S] gave a [OBJECT] to",
            "After [A] and [B] went to the [PLACE], [S] gave a [OBJECT] to",
            "While [A] and [B] were at the [PLACE], [S] gave a [OBJECT] to");

    /** Copies the list. */
    public IoiDataset {
        prompts = List.copyOf(prompts);
    }

    /**
     * Random prompts; each with its names in both orders in turn. The same seed gives the same prompts.
     *
     * @throws IllegalArgumentException if fewer than two of the names are single tokens of the model
     */
    public static IoiDataset generate(HookedTransformer model, int count, long seed) {
        return generate(model, TEMPLATES, NAMES, PLACES, OBJECTS, count, seed);
    }

    /**
     * Random prompts from templates and words of one's own.
     *
     * @param templates with [A] and [B] for the names in the order in which they come, [S] for the one that comes again,
     *     [PLACE] and [OBJECT]
     * @param names those that aren't a single token of the model (with a space in front) are left out
     */
    public static IoiDataset generate(
            HookedTransformer model,
            List<String> templates,
            List<String> names,
            List<String> places,
            List<String> objects,
            int count,
            long seed) {
        List<String> usable = names.stream()
                .filter(name -> model.toContinuationTokens(" " + name).length == 1)
                .toList();
        if (usable.size() < 2) {
            throw new IllegalArgumentException("Only " + usable + " of the names " + names + " are single tokens of '"
                    + model.config().modelName() + "'; give two at least");
        }
        Random random = new Random(seed);
        List<IoiPrompt> prompts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String indirect = pick(usable, random);
            String subject = pick(usable, random);
            while (subject.equals(indirect)) {
                subject = pick(usable, random);
            }
            boolean indirectFirst = i % 2 == 0;
            String sentence = pick(templates, random)
                    .replace("[A]", indirectFirst ? indirect : subject)
                    .replace("[B]", indirectFirst ? subject : indirect)
                    .replace("[PLACE]", pick(places, random))
                    .replace("[OBJECT]", pick(objects, random));
            prompts.add(new IoiPrompt(
                    sentence.replace("[S]", subject),
                    sentence.replace("[S]", indirect),
                    " " + indirect,
                    " " + subject));
        }
        return new IoiDataset(model, prompts);
    }

    private static String pick(List<String> words, Random random) {
        return words.get(random.nextInt(words.size()));
    }

    /** The clean sentences, padded on the right. */
    public Tokens clean() {
        return model.toTokens(prompts.stream().map(IoiPrompt::clean).toList());
    }

    /** The corrupt sentences, padded on the right; each as long as its clean one. */
    public Tokens corrupt() {
        return model.toTokens(prompts.stream().map(IoiPrompt::corrupt).toList());
    }

    /** Ids of the answers to the clean sentences. */
    public long[] answers() {
        return prompts.stream()
                .mapToLong(prompt -> model.toSingleToken(prompt.answer()))
                .toArray();
    }

    /** Ids of the wrong answers. */
    public long[] wrongs() {
        return prompts.stream()
                .mapToLong(prompt -> model.toSingleToken(prompt.wrong()))
                .toArray();
    }

    /** Mean logit difference between answer and wrong answer after each sentence. */
    public LogitMetric logitDifference() {
        return LogitMetric.logitDifference(clean(), answers(), wrongs());
    }

    /** The share of clean sentences after which the answer has a higher logit than the wrong one. */
    public double accuracy() {
        int right = 0;
        for (IoiPrompt prompt : prompts) {
            LogitMetric difference = LogitMetric.logitDifference(model, prompt.answer(), prompt.wrong());
            right += difference.ofRun(model, model.toTokens(prompt.clean())) > 0 ? 1 : 0;
        }
        return (double) right / prompts.size();
    }
}
