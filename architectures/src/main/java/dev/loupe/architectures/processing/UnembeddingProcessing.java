package dev.loupe.architectures.processing;

import dev.loupe.architectures.decoder.DecoderWeights;

/** Folds the final norm into the unembedding and centres the logits. */
final class UnembeddingProcessing {

    private final ProcessingSteps steps;
    private final WeightFlow flow;

    UnembeddingProcessing(ProcessingSteps steps, WeightFlow flow) {
        this.steps = steps;
        this.flow = flow;
    }

    void run() {
        if (!steps.foldLn() && !steps.centerUnembed()) {
            return;
        }
        Reader unembedding = NormFolding.read(steps, flow, "ln_final", true).fold("unembed.", "U", true);
        if (steps.centerUnembed()) {
            unembedding.matrix().centreRows();
            unembedding.bias().ifPresent(WeightMatrix::centreRows);
        }
        flow.push(DecoderWeights.UNEMBEDDING, unembedding.matrix());
        unembedding.bias().ifPresent(bias -> flow.push(DecoderWeights.UNEMBEDDING_BIAS, bias));
    }
}
