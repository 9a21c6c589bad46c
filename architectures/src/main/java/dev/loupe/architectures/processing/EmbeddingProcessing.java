package dev.loupe.architectures.processing;

import dev.loupe.architectures.decoder.DecoderWeights;
import java.util.List;

/** Centres what the embeddings write to the residual stream. */
final class EmbeddingProcessing {

    private final ProcessingSteps steps;
    private final WeightFlow flow;

    EmbeddingProcessing(ProcessingSteps steps, WeightFlow flow) {
        this.steps = steps;
        this.flow = flow;
    }

    void run() {
        if (!steps.centerWritingWeights()) {
            return;
        }
        for (String name : List.of(DecoderWeights.EMBEDDING, DecoderWeights.POSITIONS)) {
            flow.pullIfThere(name).ifPresent(weight -> {
                weight.centreRows();
                flow.push(name, weight);
            });
        }
    }
}
