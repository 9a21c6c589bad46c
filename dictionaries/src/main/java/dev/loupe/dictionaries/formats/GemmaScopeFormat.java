package dev.loupe.dictionaries.formats;

import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Gemma Scope's layout: {@code params.npz}, in its second edition {@code params.safetensors}, JumpReLU throughout. What a
 * dictionary reads is told by the name of its repository ({@code -res}, {@code -mlp}, {@code -att}, {@code
 * -transcoders}) and of its folder ({@code layer_20/width_16k/average_l0_71}).
 */
final class GemmaScopeFormat {

    static final String NPZ = "params.npz";
    static final String TENSORS = "params.safetensors";

    private static final String SKIP = "affine_skip_connection";
    private static final Pattern LAYER = Pattern.compile("(?:^|[/:_-])layer_(\\d+)");
    private static final Pattern SITE =
            Pattern.compile("(?:^|[/:_-])(res|resid_post|mlp|mlp_out|att|attn_out|transcoders?)(?:$|[/:_-])");

    private GemmaScopeFormat() {}

    static DictionaryFile read(ModelFiles files, String folder, String name, @Nullable String at) {
        boolean second = !files.has(folder + NPZ);
        DictionaryArrays arrays =
                second ? DictionaryArrays.read(files, folder, TENSORS, GemmaScopeFormat::spelled) : npz(files, folder);
        Map<String, HostTensor> weights = new LinkedHashMap<>(arrays.byName());
        HostTensor skip = weights.remove(SKIP);
        if (skip != null) {
            if (skip.shape().rank() != 2) {
                throw new IllegalArgumentException(
                        arrays.where() + ": '" + SKIP + "' should be a matrix, found " + skip.shape());
            }
            // There, what is read stands in front of it.
            weights.put("W_skip", DictionaryArrays.transposed(skip));
        }
        String[] hooks = at == null ? hooks(name, second) : new String[] {at, at};
        DictionaryConfig config = new DictionaryConfig(
                name,
                Activation.JUMPRELU,
                0,
                arrays.size("W_enc", 0),
                arrays.size("W_dec", 1),
                arrays.size("W_enc", 1),
                hooks[0],
                hooks[1],
                false,
                Normalization.NONE,
                false,
                hooks[0].matches("blocks\\.\\d+\\.attn\\.hook_z"),
                null,
                // Folded, the norm's weight would be missing from what is read.
                hooks[0].matches(".*\\.mlp\\.hook_in") ? Map.of("fold_ln", false) : Map.of());
        return new DictionaryFile(config, weights);
    }

    /** The second edition writes names in lower case. */
    private static String spelled(String array) {
        return switch (array) {
            case "w_enc" -> "W_enc";
            case "w_dec" -> "W_dec";
            default -> array;
        };
    }

    private static DictionaryArrays npz(ModelFiles files, String folder) {
        String where = DictionaryFormats.where(files, folder) + " " + NPZ;
        try (InputStream in = files.stream(folder + NPZ)) {
            return new DictionaryArrays(where, NpzReader.read(in, where));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + where, e);
        }
    }

    // Transcoders of the first edition read what the norm gives without its weight, those of the second with it.
    private static String[] hooks(String name, boolean second) {
        Matcher layer = LAYER.matcher(name);
        Matcher site = SITE.matcher(name.toLowerCase(Locale.ROOT));
        String found = site.find() ? site.group(1) : "";
        if (name.contains("embedding/")) {
            return new String[] {"hook_embed", "hook_embed"};
        }
        if (!layer.find() || found.isEmpty()) {
            throw new IllegalArgumentException(
                    "Nothing in '" + name + "' tells where this dictionary stands: the name of"
                            + " a Gemma Scope repository ends in -res, -mlp, -att or -transcoders, its folders are"
                            + " layer_N/width_…; give the hook point with it (--at blocks.20.hook_resid_post)");
        }
        String block = "blocks." + layer.group(1) + ".";
        return switch (found) {
            case "res", "resid_post" -> new String[] {block + "hook_resid_post", block + "hook_resid_post"};
            case "mlp", "mlp_out" -> new String[] {block + "hook_mlp_out", block + "hook_mlp_out"};
            case "att" -> new String[] {block + "attn.hook_z", block + "attn.hook_z"};
            case "attn_out" -> new String[] {block + "hook_attn_out", block + "hook_attn_out"};
            default -> new String[] {block + (second ? "mlp.hook_in" : "ln2.hook_normalized"), block + "hook_mlp_out"};
        };
    }
}
