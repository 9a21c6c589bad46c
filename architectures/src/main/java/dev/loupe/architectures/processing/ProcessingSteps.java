package dev.loupe.architectures.processing;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import java.util.Set;
import java.util.TreeSet;

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
        long normed =
                config.blocks().stream().filter(block -> block.norms().before()).count();
        boolean everyReader = normed == config.nLayers();
        // Biases that fold into some blocks' readers and not into others' would be there in some blocks alone.
        boolean mixed = norm.centres() && normed > 0 && !everyReader;
        boolean foldLn = options.foldLn() && !norm.folded() && !mixed;
        boolean refactor = options.refactorFactoredAttnMatrices();
        boolean valueBiases = config.hasBias("b_V") || (foldLn && norm.centres() && everyReader);
        boolean headsNormed = config.blocks().stream().anyMatch(BlockSpec::queryKeyNorms);
        boolean rotary = config.positions() == TransformerConfig.Positions.ROTARY;
        return new ProcessingSteps(
                config,
                foldLn,
                // A block that reads the stream without a norm sees its mean.
                options.centerWritingWeights() && norm.centres() && everyReader,
                options.centerUnembed() && config.logitSoftCap() == null,
                // Factors of W_V·W_O carry no b_V of their own.
                (options.foldValueBiases() || refactor) && valueBiases,
                refactor && !rotary && !headsNormed,
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
            biases.add("b_U");
        }
        boolean readersAreNormed =
                config.blocks().stream().allMatch(block -> block.norms().before());
        if (config.normalization().centres() && readersAreNormed) {
            biases.addAll(Set.of("b_Q", "b_K", "b_V"));
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
