package dev.loupe.architectures.processing;

import java.util.Optional;

/** A norm's parameters, on their way into the projections that read it. Empty if there is nothing to fold. */
record NormFolding(
        ProcessingSteps steps, WeightFlow flow, boolean there, Optional<double[]> weight, Optional<double[]> bias) {

    /**
     * Reads the parameters, which then don't reach the model; nothing if folding wasn't asked for.
     *
     * @param there whether there is such a norm
     */
    static NormFolding read(ProcessingSteps steps, WeightFlow flow, String scope, boolean there) {
        if (!steps.foldLn() || !there) {
            return new NormFolding(steps, flow, false, Optional.empty(), Optional.empty());
        }
        return new NormFolding(
                steps,
                flow,
                true,
                flow.pullIfThere(scope + ".w").map(vector -> vector.row(0)),
                flow.pullIfThere(scope + ".b").map(vector -> vector.row(0)));
    }

    /**
     * Reads a projection and folds the norm into it: the bias first, through the matrix as it was, then the
     * weight; for layer norm the matrix is centred over d_model, because what it reads is.
     */
    Reader fold(String scope, String name, boolean centre) {
        WeightMatrix matrix = flow.pull(scope + "W_" + name);
        Optional<WeightMatrix> known = flow.pullIfThere(scope + "b_" + name);
        Optional<WeightMatrix> folded = bias.map(shift -> {
                    double[] summand = matrix.multipliedFromLeft(shift);
                    WeightMatrix sum = known.orElseGet(() -> matrix.vectorLike(new double[summand.length]));
                    sum.addToRows(summand);
                    return sum;
                })
                .or(() -> known);
        weight.ifPresent(matrix::scaleRows);
        if (there && centre && steps.config().normalization().centres()) {
            matrix.centreColumns();
        }
        return new Reader(matrix, folded);
    }
}
