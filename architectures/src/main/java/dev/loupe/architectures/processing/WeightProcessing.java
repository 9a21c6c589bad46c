package dev.loupe.architectures.processing;

import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.TransformerConfig;
import org.apiguardian.api.API;

/**
 * What is to be done to the weights of one model. Runs once, in one pass over the model: weights are pulled
 * one after the other (or a handful that belong together, such as a norm and the projections that read it)
 * and pushed on as soon as they are finished, so that no more than a layer is held at any time.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface WeightProcessing {

    /** The config of the processed model. */
    TransformerConfig config();

    /**
     * Whether {@link #run} would push every weight just as it was pulled; the caller may then convert weights
     * straight to their final data type, without the detour over float32.
     */
    boolean changesNothing();

    /**
     * Pushes every weight of the processed model to the consumer, once each, in the data type of {@link
     * RawWeights#read}. The consumer converts to the model's final data type. A weight that was pushed is not
     * touched again.
     */
    void run(RawWeights raw, Checkpoint.WeightConsumer consumer);
}
