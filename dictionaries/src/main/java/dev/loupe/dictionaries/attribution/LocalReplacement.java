package dev.loupe.dictionaries.attribution;

import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Scope;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.ModelExtension;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A model that is linear in what its MLPs write: attention patterns and the scales of norms are frozen, and what an MLP
 * writes carries no derivative, but for the skip connection of a transcoder. All values are those of the plain run.
 */
final class LocalReplacement implements ModelExtension {

    static final String EMBEDDING = "hook_embed";
    static final String UNEMBEDDED = "unembed.hook_in";
    static final String LOGITS = "unembed.hook_out";
    private static final HookFilter FROZEN = HookFilter.glob("blocks.*.attn.hook_pattern,*.hook_scale");

    private final List<String> frozen;
    private final List<String> outputs;
    private final TreeMap<Integer, Dictionary> transcoders = new TreeMap<>();

    LocalReplacement(HookedTransformer model, List<Dictionary> dictionaries, boolean anyOptions) {
        this.frozen =
                FROZEN.select(model.hookNames()).stream().map(HookPoint::name).toList();
        this.outputs = HookFilter.glob("blocks.*.hook_mlp_out").select(model.hookNames()).stream()
                .map(HookPoint::name)
                .toList();
        if (dictionaries.isEmpty()) {
            throw new IllegalArgumentException(
                    "An attribution graph needs transcoders, one for each layer; found none");
        }
        for (Dictionary dictionary : dictionaries) {
            add(model, dictionary, anyOptions);
        }
    }

    private void add(HookedTransformer model, Dictionary dictionary, boolean anyOptions) {
        SplicedDictionary spliced = dictionary.spliced();
        (anyOptions ? spliced.forAnyOptions() : spliced).check(model);
        DictionaryConfig config = dictionary.config();
        HookPoint writes = model.hookNames().resolve(config.hookOut());
        HookPoint reads = model.hookNames().resolve(config.hookIn());
        if (!outputs.contains(writes.name()) || reads.layer() != writes.layer()) {
            throw new IllegalArgumentException(dictionary + " can't stand for an MLP: attribution graphs need"
                    + " transcoders that read what a block's MLP reads and replace blocks.L.hook_mlp_out");
        }
        if (config.normalization() != Normalization.NONE) {
            throw new IllegalArgumentException(dictionary + " normalises what it reads (" + config.normalization()
                    + "), so that what its features write isn't theirs alone: there is no linear attribution to them");
        }
        Dictionary other = transcoders.put(writes.layer(), dictionary.at(reads.name(), writes.name()));
        if (other != null) {
            throw new IllegalArgumentException(
                    "Two transcoders for layer " + writes.layer() + ": " + other + " and " + dictionary);
        }
    }

    /** Full names of the points whose values are taken as given. */
    List<String> frozen() {
        return frozen;
    }

    /** Number of layers. */
    int layers() {
        return outputs.size();
    }

    /** A layer's transcoder; null if it has none. */
    @Nullable
    Dictionary transcoder(int layer) {
        return transcoders.get(layer);
    }

    /** The transcoders by layer. */
    Map<Integer, Dictionary> transcoders() {
        return transcoders;
    }

    /** The point at what a layer's MLP writes, without a skip connection. */
    String constant(int layer) {
        return outputs.get(layer) + ".hook_graph_constant";
    }

    /** The point at the directions that are asked for where the point of a name is read. */
    static String target(String read) {
        return read + ".hook_graph_target";
    }

    @Override
    public Map<String, GraphFunction> functions() {
        Map<String, GraphFunction> functions = new LinkedHashMap<>();
        frozen.forEach(point -> functions.put(point, (value, scope) -> value.stopGradient()));
        for (int layer = 0; layer < outputs.size(); layer++) {
            int which = layer;
            functions.put(outputs.get(layer), (written, scope) -> written(which, written, scope));
        }
        functions.put(UNEMBEDDED, (read, scope) -> {
            targets(UNEMBEDDED, read, scope);
            return read;
        });
        return functions;
    }

    private Expr written(int layer, Expr written, Scope scope) {
        Dictionary dictionary = transcoders.get(layer);
        Expr skip = null;
        if (dictionary != null) {
            String point = dictionary.config().hookIn();
            Expr read = scope.value(point);
            targets(point, read, scope);
            HostTensor matrix = dictionary.weights().get("W_skip");
            if (matrix != null) {
                Expr weight = scope.weight(
                        skipWeight(layer), read.dtype(), matrix.shape().toArray());
                skip = read.matmul(weight.transpose(0, 1));
            }
        }
        Expr rest = (skip == null ? written : written.sub(skip)).stopGradient();
        Expr constant = scope.hook(point(constant(layer)), rest);
        return skip == null ? constant : constant.add(skip);
    }

    // Zeros unless they are fed: the sum of their products with what is read is what derivatives are taken of.
    private static void targets(String read, Expr value, Scope scope) {
        scope.hook(HookPoint.optional(target(read), Axis.BATCH, Axis.POS, Axis.D_MODEL), value.mul(0));
    }

    private static HookPoint point(String name) {
        return HookPoint.of(name, Axis.BATCH, Axis.POS, Axis.D_MODEL);
    }

    private static String skipWeight(int layer) {
        return "attribution.blocks." + layer + ".W_skip";
    }

    @Override
    public Map<String, HostTensor> weights() {
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        transcoders.forEach((layer, dictionary) -> {
            HostTensor matrix = dictionary.weights().get("W_skip");
            if (matrix != null) {
                weights.put(skipWeight(layer), matrix);
            }
        });
        return weights;
    }

    @Override
    public String toString() {
        return "transcoders of layers " + transcoders.keySet() + " in the place of MLPs";
    }
}
