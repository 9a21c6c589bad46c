package dev.loupe.dictionaries.formats;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * SAELens's layout: {@code cfg.json} and {@code sae_weights.safetensors}, in the spelling of today (settings of the model
 * under {@code metadata}) and in older ones (flat).
 */
final class SaeLensFormat {

    static final String CONFIG = "cfg.json";
    static final String WEIGHTS = "sae_weights.safetensors";

    private static final Map<String, Activation> KINDS = Map.ofEntries(
            Map.entry("standard", Activation.RELU),
            Map.entry("jumprelu", Activation.JUMPRELU),
            Map.entry("topk", Activation.TOPK),
            Map.entry("gated", Activation.GATED),
            // Trained over a batch, they have a threshold of their own afterwards.
            Map.entry("batchtopk", Activation.JUMPRELU),
            Map.entry("matryoshka", Activation.RELU),
            Map.entry("matryoshka_batchtopk", Activation.JUMPRELU),
            Map.entry("transcoder", Activation.RELU),
            Map.entry("jumprelu_transcoder", Activation.JUMPRELU),
            Map.entry("skip_transcoder", Activation.RELU),
            Map.entry("jumprelu_skip_transcoder", Activation.JUMPRELU));
    private static final Set<String> OPTIONS =
            Set.of("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases");

    private SaeLensFormat() {}

    static DictionaryFile read(ModelFiles files, String folder, String name, @Nullable String at) {
        CheckpointConfig json = JsonFiles.config(files, folder + CONFIG);
        if (!files.has(folder + WEIGHTS)) {
            throw new IllegalArgumentException(
                    DictionaryFormats.where(files, folder) + " has " + CONFIG + " but no " + WEIGHTS);
        }
        Map<String, HostTensor> weights = DictionaryArrays.read(files, folder, WEIGHTS, UnaryOperator.identity())
                .byName();
        DictionaryConfig config = config(json, name, at, weights);
        return new DictionaryFile(config, arranged(json, config, weights));
    }

    private static DictionaryConfig config(
            CheckpointConfig json, String name, @Nullable String at, Map<String, HostTensor> weights) {
        CheckpointConfig metadata = json.object("metadata");
        String architecture = json.string("architecture", "standard");
        Activation activation = KINDS.get(architecture);
        if (activation == null) {
            throw new IllegalArgumentException(json.source() + ": 'architecture' is '" + architecture + "'; known are "
                    + new java.util.TreeSet<>(KINDS.keySet()));
        }
        if (activation == Activation.JUMPRELU && !weights.containsKey("threshold") && json.has("k")) {
            activation = Activation.TOPK;
        }
        String function = json.string("activation_fn", json.string("activation_fn_str", "relu"));
        boolean sparsest = function.equals("topk") || function.startsWith("topk_");
        if (!sparsest && !function.equals("relu") && !function.equals("jumprelu")) {
            throw new IllegalArgumentException(
                    json.source() + ": 'activation_fn' is '" + function + "'; known are relu, jumprelu and topk");
        }
        if (function.equals("jumprelu") && activation == Activation.RELU) {
            activation = Activation.JUMPRELU;
        }
        activation = sparsest ? Activation.TOPK : activation;
        // Trained over a batch, k is a mean and may have a fraction; then it is of no use any more.
        int k = activation == Activation.TOPK
                ? json.integer("k", json.object("activation_fn_kwargs").integer("k", 0))
                : 0;
        int dIn = json.integer("d_in");
        boolean transcoder = architecture.contains("transcoder");
        if (architecture.contains("skip_transcoder") && !weights.containsKey("W_skip")) {
            throw new IllegalArgumentException(json.source() + ": 'architecture' is '" + architecture + "', but "
                    + WEIGHTS + " has no W_skip; it has " + weights.keySet());
        }
        String hookIn = at != null ? at : first(json, metadata, "hook_name", "hook_point");
        String hookOut = at != null ? at : first(json, metadata, "hook_name_out", "hook_point_out");
        if (hookIn == null) {
            throw new IllegalArgumentException(json.source()
                    + " lacks 'hook_name', where the dictionary reads: give the hook point with it (--at)");
        }
        if (transcoder && hookOut == null) {
            throw new IllegalArgumentException(
                    json.source() + " lacks 'hook_name_out', the point that the transcoder replaces");
        }
        if (metadata.has("hook_head_index") || json.has("hook_head_index")) {
            throw new IllegalArgumentException(json.source() + ": 'hook_head_index' is "
                    + (metadata.has("hook_head_index") ? metadata.raw("hook_head_index") : json.raw("hook_head_index"))
                    + "; dictionaries of a single head are not known");
        }
        String reshape = json.string("reshape_activations", "none");
        if (!reshape.equals("none") && !reshape.equals("hook_z")) {
            throw new IllegalArgumentException(
                    json.source() + ": 'reshape_activations' is '" + reshape + "'; known are none and hook_z");
        }
        return new DictionaryConfig(
                name,
                activation,
                k,
                dIn,
                json.integer("d_out", dIn),
                json.integer("d_sae"),
                hookIn,
                hookOut == null ? hookIn : hookOut,
                json.bool("apply_b_dec_to_input", !transcoder),
                normalization(json),
                json.bool("rescale_acts_by_decoder_norm", false),
                reshape.equals("hook_z") || hookIn.matches("blocks\\.\\d+\\.attn\\.hook_z"),
                first(json, metadata, "model_name", "model_name"),
                options(json, metadata));
    }

    private static @Nullable String first(
            CheckpointConfig json, CheckpointConfig metadata, String key, String olderKey) {
        for (CheckpointConfig object : List.of(metadata, json)) {
            for (String spelling : List.of(key, olderKey)) {
                if (object.has(spelling)) {
                    return object.string(spelling, "");
                }
            }
        }
        return null;
    }

    private static Normalization normalization(CheckpointConfig json) {
        Object value = json.raw("normalize_activations");
        String word = value == null || Boolean.FALSE.equals(value) ? "none" : value.toString();
        return switch (word) {
            // The factor is folded into the weights when they are saved.
            case "none", "expected_average_only_in" -> Normalization.NONE;
            case "constant_norm_rescale" -> Normalization.CONSTANT_NORM_RESCALE;
            case "layer_norm" -> Normalization.LAYER_NORM;
            default ->
                throw new IllegalArgumentException(json.source() + ": 'normalize_activations' is '" + word
                        + "'; known are none, expected_average_only_in, constant_norm_rescale and layer_norm");
        };
    }

    private static Map<String, Boolean> options(CheckpointConfig json, CheckpointConfig metadata) {
        String key = "model_from_pretrained_kwargs";
        CheckpointConfig stated = metadata.has(key) ? metadata.object(key) : json.object(key);
        Map<String, Boolean> options = new LinkedHashMap<>();
        for (String option : stated.keys()) {
            if (OPTIONS.contains(option)) {
                options.put(option, stated.bool(option, true));
            }
        }
        return options;
    }

    private static Map<String, HostTensor> arranged(
            CheckpointConfig json, DictionaryConfig config, Map<String, HostTensor> weights) {
        Map<String, HostTensor> arranged = new LinkedHashMap<>(weights);
        HostTensor logarithms = arranged.remove("log_threshold");
        if (logarithms != null && !arranged.containsKey("threshold")) {
            HostTensor threshold = HostTensor.allocate(DType.FLOAT32, logarithms.shape());
            for (long i = 0; i < threshold.shape().elements(); i++) {
                threshold.setDouble(i, Math.exp(logarithms.getDouble(i)));
            }
            arranged.put("threshold", threshold);
        }
        if (config.activation() != Activation.JUMPRELU) {
            refuseUnlessAll(
                    0,
                    arranged.remove("threshold"),
                    json.source() + ": a dictionary of kind " + config.activation() + " ('architecture',"
                            + " 'activation_fn') has no threshold, but " + WEIGHTS
                            + " has one that isn't 0: say which of them counts");
        }
        HostTensor older = arranged.remove("scaling_factor");
        if (older != null) {
            arranged.putIfAbsent("finetuning_scaling_factor", older);
        }
        String factors = "finetuning_scaling_factor";
        if (!json.bool(factors, false)) {
            refuseUnlessAll(
                    1,
                    arranged.remove(factors),
                    json.source() + ": '" + factors + "' isn't set, but " + WEIGHTS
                            + " has factors other than 1: say whether they count");
        } else if (!arranged.containsKey(factors)) {
            throw new IllegalArgumentException(json.source() + ": '" + factors + "' is set, but " + WEIGHTS
                    + " has no such array; it has " + weights.keySet());
        }
        return arranged;
    }

    /** What changes nothing may be left out; nothing else. */
    private static void refuseUnlessAll(double neutral, @Nullable HostTensor array, String message) {
        if (array == null) {
            return;
        }
        for (double number : array.toDoubleArray()) {
            if (number != neutral) {
                throw new IllegalArgumentException(message);
            }
        }
    }
}
