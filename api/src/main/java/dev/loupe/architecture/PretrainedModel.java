package dev.loupe.architecture;

import java.util.List;
import org.apiguardian.api.API;

/**
 * A well-known checkpoint.
 *
 * @param alias the short name: {@code gpt2-small}
 * @param repository where it is on the Hugging Face Hub: {@code openai-community/gpt2}
 * @param trainingSteps the steps of its training at which it was published too, ascending; most have none
 */
@API(status = API.Status.STABLE, since = "0.1")
public record PretrainedModel(String alias, String repository, List<Long> trainingSteps) {

    /** Copies the list. */
    public PretrainedModel {
        trainingSteps = List.copyOf(trainingSteps);
    }

    /** A checkpoint that was published when it was finished. */
    public PretrainedModel(String alias, String repository) {
        this(alias, repository, List.of());
    }

    /**
     * The revision on the Hub of a checkpoint of the training: {@code step1000}.
     *
     * @throws IllegalArgumentException if there is no such checkpoint; says which there are
     */
    public String revision(LoadOptions.Training training) {
        String asked = (training.byIndex() ? "checkpoint index " : "checkpoint value ") + training.number();
        if (trainingSteps.isEmpty()) {
            throw new IllegalArgumentException("'" + alias + "' was asked for at " + asked
                    + ", but no checkpoints of its training are known; a branch, tag or commit is named by revision");
        }
        int count = trainingSteps.size();
        if (training.byIndex()) {
            long index = training.number() < 0 ? training.number() + count : training.number();
            if (index < 0 || index >= count) {
                throw new IllegalArgumentException("'" + alias + "' has checkpoints 0 to " + (count - 1)
                        + " of its training, or -1 to -" + count + " from the end; not " + training.number());
            }
            return "step" + trainingSteps.get((int) index);
        }
        if (!trainingSteps.contains(training.number())) {
            long nearest = trainingSteps.get(0);
            for (long step : trainingSteps) {
                nearest = Math.abs(step - training.number()) < Math.abs(nearest - training.number()) ? step : nearest;
            }
            throw new IllegalArgumentException("'" + alias + "' has no checkpoint of step " + training.number()
                    + " of its training; the nearest of " + count + " is that of step " + nearest);
        }
        return "step" + training.number();
    }
}
