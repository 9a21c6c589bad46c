package dev.loupe.dictionaries.formats;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * circuit-tracer's sets of transcoders: {@code config.yaml}, which tells the hook points, and {@code layer_N.safetensors}
 * with {@code W_enc} [features, d_model], {@code W_dec} [features, d_model], biases, and for JumpReLU {@code
 * activation_function.threshold}.
 */
final class TranscoderSetFormat {

    static final String CONFIG = "config.yaml";

    /** How circuit-tracer loads every model; the files don't say it. */
    private static final Map<String, Boolean> AS_TRAINED =
            Map.of("fold_ln", false, "center_writing_weights", false, "center_unembed", false);

    /** How wide a gap is found: on the Hub each file that is looked for is a question. */
    private static final int WIDEST_GAP = 3;

    private static final Map<String, String> HOOKS = Map.of(
            "mlp.hook_in", "mlp.hook_in",
            "mlp.hook_out", "hook_mlp_out");

    private TranscoderSetFormat() {}

    static List<DictionaryFile> read(ModelFiles files, String folder, String name) {
        JsonNode yaml;
        String where = DictionaryFormats.where(files, folder) + " " + CONFIG;
        try {
            yaml = new YAMLMapper().readTree(files.read(folder + CONFIG));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(where + " is no YAML: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + where, e);
        }
        String kind = text(yaml, "model_kind");
        if (kind != null && !kind.equals("transcoder_set")) {
            throw new IllegalArgumentException(where + ": 'model_kind' is '" + kind + "'; known is transcoder_set");
        }
        String in = hook(yaml, "feature_input_hook", where);
        String out = hook(yaml, "feature_output_hook", where);
        List<DictionaryFile> layers = new ArrayList<>();
        int count = 0;
        while (files.has(folder + file(count))) {
            count++;
        }
        if (count == 0) {
            throw new IllegalArgumentException(
                    DictionaryFormats.where(files, folder) + " has " + CONFIG + " but no " + file(0));
        }
        for (int beyond = count + 1; beyond <= count + WIDEST_GAP; beyond++) {
            if (files.has(folder + file(beyond))) {
                throw new IllegalArgumentException(DictionaryFormats.where(files, folder) + " has " + file(beyond)
                        + " but no " + file(count) + ": a set has a transcoder for every layer. Get that file too.");
            }
        }
        for (int layer = 0; layer < count; layer++) {
            layers.add(layer(files, folder, name, layer, in, out, text(yaml, "model_name")));
        }
        return List.copyOf(layers);
    }

    private static String file(int layer) {
        return "layer_" + layer + ".safetensors";
    }

    private static @Nullable String text(@Nullable JsonNode yaml, String key) {
        JsonNode value = yaml == null ? null : yaml.get(key);
        return value == null || value.isNull() ? null : value.asText();
    }

    private static String hook(@Nullable JsonNode yaml, String key, String where) {
        String hook = text(yaml, key);
        if (hook == null) {
            throw new IllegalArgumentException(where + " lacks '" + key + "'");
        }
        return HOOKS.getOrDefault(hook, hook);
    }

    private static DictionaryFile layer(
            ModelFiles files, String folder, String name, int layer, String in, String out, @Nullable String model) {
        DictionaryArrays arrays = DictionaryArrays.read(
                files,
                folder,
                file(layer),
                array -> array.equals("activation_function.threshold") ? "threshold" : array);
        Map<String, HostTensor> weights = new LinkedHashMap<>(arrays.byName());
        int features = arrays.size("W_enc", 0);
        weights.put("W_enc", DictionaryArrays.transposed(arrays.matrix("W_enc")));
        HostTensor threshold = weights.get("threshold");
        if (threshold != null && threshold.shape().elements() == 1) {
            HostTensor each = HostTensor.allocate(DType.FLOAT32, Shape.of(features));
            for (int i = 0; i < features; i++) {
                each.setDouble(i, threshold.getDouble(0));
            }
            weights.put("threshold", each);
        }
        DictionaryConfig config = new DictionaryConfig(
                name + " layer " + layer,
                threshold == null ? Activation.RELU : Activation.JUMPRELU,
                0,
                arrays.size("W_enc", 1),
                arrays.size("W_dec", 1),
                features,
                "blocks." + layer + "." + in,
                "blocks." + layer + "." + out,
                false,
                Normalization.NONE,
                false,
                false,
                model,
                AS_TRAINED);
        return new DictionaryFile(config, weights);
    }
}
