package dev.loupe.architectures.processing;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Which steps are done to one model: those that were asked for and mean something for it.
 *
 * @param config the model before processing
 */
record ProcessingSteps(
        TransformerConfig config,
        boolean foldLn,
        boolean centerWritingWeights,
        boolean centerUnembed,
        boolean foldValueBiases,
        boolean refactorQueryKey,
        boolean refactorValueOutput) {

    static ProcessingSteps of(TransformerConfig config, LoadOptions options) {
        TransformerConfig.Normalization norm = config.normalization();
        boolean foldLn = options.foldLn() && !norm.folded();
        boolean refactor = options.refactorFactoredAttnMatrices();
        boolean valueBiases = config.hasBias("b_V") || (foldLn && norm.centres());
        boolean normed = IntStream.range(0, config.nLayers())
                .anyMatch(layer -> config.block(layer).queryKeyNorms());
        boolean rotary = config.positions() == TransformerConfig.Positions.ROTARY;
        return new ProcessingSteps(
                config,
                foldLn,
                options.centerWritingWeights() && norm.centres(),
                options.centerUnembed() && config.logitSoftCap() == null,
                // Factors of W_V·W_O carry no b_V of their own.
                (options.foldValueBiases() || refactor) && valueBiases,
                refactor && !rotary && !normed,
                refactor);
    }

    boolean changesNothing() {
        return !(foldLn
                || centerWritingWeights
                || centerUnembed
                || foldValueBiases
                || refactorQueryKey
                || refactorValueOutput);
    }

    /** Biases that exist after folding because the norms have biases. */
    Set<String> biasesFromNorms() {
        Set<String> biases = new TreeSet<>();
        if (config.normalization().centres()) {
            biases.addAll(Set.of("b_Q", "b_K", "b_V", "b_U"));
            if (config.dMlp() > 0) {
                biases.add("b_in");
            }
            if (config.dMlp() > 0 && config.gatedMlp()) {
                biases.add("b_gate");
            }
        }
        return biases;
    }
}
