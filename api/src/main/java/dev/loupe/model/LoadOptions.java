package dev.loupe.model;

import dev.loupe.spi.BackendProvider;
import dev.loupe.tensor.DType;
import java.util.HashMap;
import java.util.Map;
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
 * @param device {@code cpu}, {@code cuda}, {@code cuda:1}
 * @param backend id of a backend; null for the best one available on the device
 * @param nDevices devices over which layers are spread
 * @param threads threads for one operation; 0 leaves it to the backend
 * @param defaultPrependBos whether text gets BOS in front; null for the model's own habit
 * @param firstNLayers load only so many layers; null for all
 * @param nCtx use only so long a context; null for the model's own
 * @param revision branch, tag or commit on the Hub
 * @param backendSettings settings that only some backends know, by name, see {@link BackendProvider#settings}
 */
public record LoadOptions(
        boolean foldLn,
        boolean centerWritingWeights,
        boolean centerUnembed,
        boolean foldValueBiases,
        boolean refactorFactoredAttnMatrices,
        DType dtype,
        String device,
        @Nullable String backend,
        int nDevices,
        int threads,
        @Nullable Boolean defaultPrependBos,
        @Nullable Integer firstNLayers,
        @Nullable Integer nCtx,
        String revision,
        Map<String, String> backendSettings) {

    /** Copies the settings. */
    public LoadOptions {
        backendSettings = Map.copyOf(backendSettings);
    }

    /** Everything as the original does it by default: processed weights in float32 on the CPU. */
    public static LoadOptions defaults() {
        return new LoadOptions(
                true, true, true, true, false, DType.FLOAT32, "cpu", null, 1, 0, null, null, null, "main", Map.of());
    }

    /** As {@link #defaults()}, but the weights stay as they are in the checkpoint. */
    public static LoadOptions noProcessing() {
        return defaults().withProcessing(false, false, false, false, false);
    }

    /** The same options with other processing. */
    public LoadOptions withProcessing(
            boolean foldLnToo, boolean centerWriting, boolean centerLogits, boolean foldBiases, boolean refactor) {
        return new LoadOptions(
                foldLnToo,
                centerWriting,
                centerLogits,
                foldBiases,
                refactor,
                dtype,
                device,
                backend,
                nDevices,
                threads,
                defaultPrependBos,
                firstNLayers,
                nCtx,
                revision,
                backendSettings);
    }

    private LoadOptions place(DType type, String where, @Nullable String id, int count, int threadCount) {
        return new LoadOptions(
                foldLn,
                centerWritingWeights,
                centerUnembed,
                foldValueBiases,
                refactorFactoredAttnMatrices,
                type,
                where,
                id,
                count,
                threadCount,
                defaultPrependBos,
                firstNLayers,
                nCtx,
                revision,
                backendSettings);
    }

    private LoadOptions cut(@Nullable Boolean bos, @Nullable Integer layers, @Nullable Integer context, String rev) {
        return new LoadOptions(
                foldLn,
                centerWritingWeights,
                centerUnembed,
                foldValueBiases,
                refactorFactoredAttnMatrices,
                dtype,
                device,
                backend,
                nDevices,
                threads,
                bos,
                layers,
                context,
                rev,
                backendSettings);
    }

    /** The same options in another data type. */
    public LoadOptions withDType(DType type) {
        return place(type, device, backend, nDevices, threads);
    }

    /** The same options on another device. */
    public LoadOptions withDevice(String where) {
        return place(dtype, where, backend, nDevices, threads);
    }

    /** The same options on a backend asked for by its id. */
    public LoadOptions withBackend(@Nullable String id) {
        return place(dtype, device, id, nDevices, threads);
    }

    /** The same options spread over several devices. */
    public LoadOptions withDevices(int count) {
        return place(dtype, device, backend, count, threads);
    }

    /** The same options with another number of threads. */
    public LoadOptions withThreads(int count) {
        return place(dtype, device, backend, nDevices, count);
    }

    /** The same options with another BOS habit. */
    public LoadOptions withDefaultPrependBos(@Nullable Boolean prepend) {
        return cut(prepend, firstNLayers, nCtx, revision);
    }

    /** The same options with fewer layers. */
    public LoadOptions withFirstNLayers(@Nullable Integer layers) {
        return cut(defaultPrependBos, layers, nCtx, revision);
    }

    /** The same options with a shorter context. */
    public LoadOptions withNCtx(@Nullable Integer context) {
        return cut(defaultPrependBos, firstNLayers, context, revision);
    }

    /** The same options at another revision. */
    public LoadOptions withRevision(String rev) {
        return cut(defaultPrependBos, firstNLayers, nCtx, rev);
    }

    /** The same options with one more setting for the backend, which refuses those that it doesn't know. */
    public LoadOptions withBackendSetting(String name, String value) {
        Map<String, String> settings = new HashMap<>(backendSettings);
        settings.put(name, value);
        return new LoadOptions(
                foldLn,
                centerWritingWeights,
                centerUnembed,
                foldValueBiases,
                refactorFactoredAttnMatrices,
                dtype,
                device,
                backend,
                nDevices,
                threads,
                defaultPrependBos,
                firstNLayers,
                nCtx,
                revision,
                settings);
    }
}
