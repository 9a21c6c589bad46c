package dev.loupe.architecture;

import dev.loupe.array.DType;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * How to load a model. The names and defaults are those of the original's {@code from_pretrained}.
 *
 * @param foldLn whether norms' parameters are folded into the weights that read them
 * @param centerWritingWeights whether what is written to the residual stream is centred (layer norm only)
 * @param centerUnembed whether logits are centred over the vocabulary
 * @param foldValueBiases whether value biases are folded into the output bias
 * @param refactorFactoredAttnMatrices whether query/key and value/output weights are balanced by SVD
 * @param dtype floating-point type of weights and activations
 * @param autoDType whether the type in which the checkpoint is stored takes the place of {@code dtype}
 * @param device {@code cpu}, {@code cuda}, {@code cuda:1}
 * @param backend id of a backend; null for the best one available on the device
 * @param nDevices devices over which layers are spread
 * @param threads threads for one operation; 0 for as many as there are physical cores
 * @param defaultPrependBos whether text gets BOS in front; null for the model's own habit
 * @param firstNLayers load only so many layers; null for all
 * @param nCtx use only so long a context; null for the model's own
 * @param revision branch, tag or commit on the Hub
 * @param training which checkpoint of a model's training, instead of a revision; null for the finished model
 * @param backendSettings settings that only some backends know, by name, see {@link BackendProvider#settings}
 * @param tokenizer the tokenizer to use; null for the checkpoint's own
 * @param listener is told how the loading goes on
 */
@API(status = API.Status.STABLE, since = "0.1")
public record LoadOptions(
        boolean foldLn,
        boolean centerWritingWeights,
        boolean centerUnembed,
        boolean foldValueBiases,
        boolean refactorFactoredAttnMatrices,
        DType dtype,
        boolean autoDType,
        String device,
        @Nullable String backend,
        int nDevices,
        int threads,
        @Nullable Boolean defaultPrependBos,
        @Nullable Integer firstNLayers,
        @Nullable Integer nCtx,
        String revision,
        @Nullable Training training,
        Map<String, String> backendSettings,
        @Nullable Tokenizer tokenizer,
        LoadListener listener) {

    /**
     * A checkpoint of a model's training, for models that were published with them (Pythia).
     *
     * @param byIndex whether {@code number} counts checkpoints, −1 being the last, or is the step itself
     * @param number the number
     */
    public record Training(boolean byIndex, long number) {}

    /** Copies the settings. */
    public LoadOptions {
        BackendOptions.checkDevices(nDevices);
        BackendOptions.checkThreads(threads);
        backendSettings = Map.copyOf(backendSettings);
        // Who makes options from data has none.
        listener = Objects.requireNonNullElse(listener, LoadListener.NONE);
    }

    /** Everything as the original does it by default: processed weights in float32 on the CPU. */
    public static LoadOptions defaults() {
        return new LoadOptions(
                true,
                true,
                true,
                true,
                false,
                DType.FLOAT32,
                false,
                "cpu",
                null,
                1,
                0,
                null,
                null,
                null,
                "main",
                null,
                Map.of(),
                null,
                LoadListener.NONE);
    }

    /** As {@link #defaults()}, but the weights stay as they are in the checkpoint. */
    public static LoadOptions noProcessing() {
        return defaults()
                .withFoldLn(false)
                .withCenterWritingWeights(false)
                .withCenterUnembed(false)
                .withFoldValueBiases(false);
    }

    /** The same options, with or without {@code fold_ln}. */
    public LoadOptions withFoldLn(boolean fold) {
        return changed(draft -> draft.foldLn = fold);
    }

    /** The same options, with or without {@code center_writing_weights}. */
    public LoadOptions withCenterWritingWeights(boolean center) {
        return changed(draft -> draft.centerWritingWeights = center);
    }

    /** The same options, with or without {@code center_unembed}. */
    public LoadOptions withCenterUnembed(boolean center) {
        return changed(draft -> draft.centerUnembed = center);
    }

    /** The same options, with or without {@code fold_value_biases}. */
    public LoadOptions withFoldValueBiases(boolean fold) {
        return changed(draft -> draft.foldValueBiases = fold);
    }

    /** The same options, with or without {@code refactor_factored_attn_matrices}. */
    public LoadOptions withRefactorFactoredAttnMatrices(boolean refactor) {
        return changed(draft -> draft.refactorFactoredAttnMatrices = refactor);
    }

    /** The same options in another data type. */
    public LoadOptions withDType(DType type) {
        return changed(draft -> {
            draft.dtype = type;
            draft.autoDType = false;
        });
    }

    /** The same options in the data type in which the checkpoint is stored. */
    public LoadOptions withAutoDType() {
        return changed(draft -> {
            draft.dtype = DType.FLOAT32;
            draft.autoDType = true;
        });
    }

    /** The same options on another device. */
    public LoadOptions withDevice(String where) {
        return changed(draft -> draft.device = where);
    }

    /** The same options on a backend asked for by its id. */
    public LoadOptions withBackend(@Nullable String id) {
        return changed(draft -> draft.backend = id);
    }

    /**
     * The same options spread over several devices.
     *
     * @throws IllegalArgumentException if there can't be so many
     */
    public LoadOptions withDevices(int count) {
        return changed(draft -> draft.nDevices = count);
    }

    /**
     * The same options with another number of threads for one operation; 0 for as many as there are physical cores.
     *
     * @throws IllegalArgumentException if it is negative or more than {@link BackendOptions#mostThreads()}
     */
    public LoadOptions withThreads(int count) {
        return changed(draft -> draft.threads = count);
    }

    /** The same options with another BOS habit. */
    public LoadOptions withDefaultPrependBos(@Nullable Boolean prepend) {
        return changed(draft -> draft.defaultPrependBos = prepend);
    }

    /** The same options with fewer layers. */
    public LoadOptions withFirstNLayers(@Nullable Integer layers) {
        return changed(draft -> draft.firstNLayers = layers);
    }

    /** The same options with a shorter context. */
    public LoadOptions withNCtx(@Nullable Integer context) {
        return changed(draft -> draft.nCtx = context);
    }

    /** The same options at another revision. */
    public LoadOptions withRevision(String rev) {
        return changed(draft -> draft.revision = rev);
    }

    /** The same options at a checkpoint of the training by its number, 0 the first and −1 the last: {@code checkpoint_index}. */
    public LoadOptions withCheckpointIndex(int index) {
        return changed(draft -> draft.training = new Training(true, index));
    }

    /** The same options at a checkpoint of the training by its step: {@code checkpoint_value}. */
    public LoadOptions withCheckpointValue(long step) {
        return changed(draft -> draft.training = new Training(false, step));
    }

    /** The same options with one more setting for the backend, which refuses those that it doesn't know. */
    public LoadOptions withBackendSetting(String name, String value) {
        Map<String, String> settings = new HashMap<>(backendSettings);
        settings.put(name, value);
        return changed(draft -> draft.backendSettings = settings);
    }

    /**
     * The same options with a tokenizer in the place of the checkpoint's own, which isn't read then; see {@link
     * Tokenizer#fromPretrained}.
     */
    public LoadOptions withTokenizer(@Nullable Tokenizer other) {
        return changed(draft -> draft.tokenizer = other);
    }

    /** The same options with somebody who is told how the loading goes on. */
    public LoadOptions withListener(LoadListener told) {
        return changed(draft -> draft.listener = told);
    }

    private LoadOptions changed(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.finished();
    }

    /** A copy that can be changed. */
    private static final class Draft {
        private boolean foldLn;
        private boolean centerWritingWeights;
        private boolean centerUnembed;
        private boolean foldValueBiases;
        private boolean refactorFactoredAttnMatrices;
        private DType dtype;
        private boolean autoDType;
        private String device;
        private @Nullable String backend;
        private int nDevices;
        private int threads;
        private @Nullable Boolean defaultPrependBos;
        private @Nullable Integer firstNLayers;
        private @Nullable Integer nCtx;
        private String revision;
        private @Nullable Training training;
        private Map<String, String> backendSettings;
        private @Nullable Tokenizer tokenizer;
        private LoadListener listener;

        Draft(LoadOptions from) {
            foldLn = from.foldLn;
            centerWritingWeights = from.centerWritingWeights;
            centerUnembed = from.centerUnembed;
            foldValueBiases = from.foldValueBiases;
            refactorFactoredAttnMatrices = from.refactorFactoredAttnMatrices;
            dtype = from.dtype;
            autoDType = from.autoDType;
            device = from.device;
            backend = from.backend;
            nDevices = from.nDevices;
            threads = from.threads;
            defaultPrependBos = from.defaultPrependBos;
            firstNLayers = from.firstNLayers;
            nCtx = from.nCtx;
            revision = from.revision;
            training = from.training;
            backendSettings = from.backendSettings;
            tokenizer = from.tokenizer;
            listener = from.listener;
        }

        LoadOptions finished() {
            return new LoadOptions(
                    foldLn,
                    centerWritingWeights,
                    centerUnembed,
                    foldValueBiases,
                    refactorFactoredAttnMatrices,
                    dtype,
                    autoDType,
                    device,
                    backend,
                    nDevices,
                    threads,
                    defaultPrependBos,
                    firstNLayers,
                    nCtx,
                    revision,
                    training,
                    backendSettings,
                    tokenizer,
                    listener);
        }
    }
}
