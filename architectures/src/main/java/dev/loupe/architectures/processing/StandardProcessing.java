package dev.loupe.architectures.processing;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.plugin.Plugins;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * The weight processing of the original's {@code from_pretrained}, step by step as the options ask for it, for
 * every model whose weights have the names of {@link dev.loupe.architectures.decoder.DecoderWeights}. None of
 * the steps changes log-probabilities:
 *
 * <ol>
 *   <li>{@code fold_ln}: a norm's bias goes into the bias of what reads it, its weight into the matrix, which for
 *       layer norm is then centred over d_model ({@code W_gate} is not).
 *   <li>{@code center_writing_weights}, layer norm only: what is written to the residual stream loses its mean
 *       over d_model, which every reader subtracts anyway.
 *   <li>{@code center_unembed}: logits lose their mean over the vocabulary; not under a soft cap.
 *   <li>{@code fold_value_biases}: attention averages with weights that sum to 1, so {@code b_V} reaches the
 *       output as a constant, which goes into {@code b_O}.
 *   <li>{@code refactor_factored_attn_matrices}: {@code W_Q·W_Kᵀ} (not if rotary) and {@code W_V·W_O} are
 *       factored anew, {@linkplain EvenFactors evenly}.
 * </ol>
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class StandardProcessing implements WeightProcessing {

    private final ProcessingSteps steps;
    private final TransformerConfig processed;

    private StandardProcessing(ProcessingSteps steps) {
        this.steps = steps;
        this.processed = processed(steps);
    }

    /**
     * The processing that the options ask for.
     *
     * @param config the model before processing
     * @throws IllegalArgumentException if they ask for any and the architecture {@linkplain
     *     ArchitectureProvider#supportsProcessing doesn't support it}
     */
    public static WeightProcessing of(
            ArchitectureProvider architecture, TransformerConfig config, LoadOptions options) {
        ProcessingSteps steps = ProcessingSteps.of(config, options);
        if (!steps.changesNothing()
                && !Plugins.ask(architecture, "supportsProcessing", architecture::supportsProcessing)) {
            throw new IllegalArgumentException(
                    "'" + config.modelName() + "' can't be loaded with processed weights: its"
                            + " architecture '" + architecture.id() + "' doesn't support that. Load it with"
                            + " fromPretrainedNoProcessing, or with LoadOptions.noProcessing().");
        }
        return new StandardProcessing(steps);
    }

    private static TransformerConfig processed(ProcessingSteps steps) {
        TransformerConfig config = steps.config();
        Set<String> biases = new TreeSet<>(config.biases());
        if (steps.foldLn()) {
            biases.addAll(steps.biasesFromNorms());
        }
        if (steps.foldValueBiases() && biases.remove("b_V")) {
            biases.add("b_O");
        }
        if (steps.refactorQueryKey() && (biases.contains("b_Q") || biases.contains("b_K"))) {
            biases.add("b_Q");
            biases.add("b_K");
        }
        return config.toBuilder()
                .normalization(steps.foldLn() ? config.normalization().fold() : config.normalization())
                .biases(biases)
                .build();
    }

    @Override
    public TransformerConfig config() {
        return processed;
    }

    @Override
    public boolean changesNothing() {
        return steps.changesNothing();
    }

    @Override
    public void run(RawWeights raw, Checkpoint.WeightConsumer consumer) {
        WeightFlow flow = new WeightFlow(raw, consumer);
        new EmbeddingProcessing(steps, flow).run();
        for (int layer = 0; layer < steps.config().nLayers(); layer++) {
            new BlockProcessing(steps, flow, layer).run();
        }
        new UnembeddingProcessing(steps, flow).run();
        flow.passOnTheRest();
    }
}
