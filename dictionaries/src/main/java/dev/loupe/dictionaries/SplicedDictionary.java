package dev.loupe.dictionaries;

import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.DictionaryMath.Prepared;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Scope;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.ModelExtension;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * A dictionary in the place of an activation. The point's value becomes what the dictionary makes of what it reads; with
 * the error term the rest is added back, so that nothing changes until features are edited. The hook points that it brings
 * are named as SAELens does, under the point that is replaced: {@code .hook_sae_input}, {@code .hook_sae_acts_pre}, {@code
 * .hook_sae_acts_post}, {@code .hook_sae_recons}, with the error term {@code .hook_sae_error}, and {@code
 * .hook_sae_output}.
 *
 * @param dictionary the dictionary
 * @param errorTerm whether what the dictionary misses is added; it is taken from unedited features and carries no
 *     derivative
 * @param anyOptions whether another model than the one it was trained on is taken too, or one loaded otherwise
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record SplicedDictionary(Dictionary dictionary, boolean errorTerm, boolean anyOptions)
        implements ModelExtension {

    /** The same with the error term. */
    public SplicedDictionary withErrorTerm() {
        return new SplicedDictionary(dictionary, true, anyOptions);
    }

    /** The same for any model, loaded with any options, whatever it was trained on. */
    public SplicedDictionary forAnyOptions() {
        return new SplicedDictionary(dictionary, errorTerm, true);
    }

    private DictionaryConfig config() {
        return dictionary.config();
    }

    /** The full name of one of the hook points that it brings: {@code hook_sae_acts_post}, … */
    public String point(String part) {
        return config().hookOut() + "." + part;
    }

    /** The full name of the point at the features' activations. */
    public String features() {
        return point("hook_sae_acts_post");
    }

    /** The name that one of the dictionary's arrays has among the model's weights. */
    String weightName(String array) {
        return "dictionary." + config().hookOut() + "." + array;
    }

    /** A feature taken out of a run of the model that this is spliced into: 0 wherever it would be active. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Intervention ablate(long... features) {
        return Intervention.zero(features()).indices(features);
    }

    /** A run of the model that this is spliced into steered by a feature: so much is added to its activation. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Intervention steer(long feature, double strength) {
        return Intervention.add(features(), strength).indices(feature);
    }

    @Override
    public Map<String, GraphFunction> functions() {
        return Map.of(config().hookOut(), this::apply);
    }

    @Override
    public Map<String, HostTensor> weights() {
        Map<String, HostTensor> named = new LinkedHashMap<>();
        dictionary.weights().forEach((name, weight) -> named.put(weightName(name), weight));
        return named;
    }

    @Override
    public void check(HookedTransformer model) {
        checkWidth(model, config().hookIn(), config().dIn(), "reads");
        checkWidth(model, config().hookOut(), config().dOut(), "replaces");
        if (!anyOptions) {
            checkName(model);
            checkOptions(model);
        }
    }

    private void checkName(HookedTransformer model) {
        String trainedOn = config().model();
        String name = model.config().modelName();
        // Names that are the same need no look at what is installed.
        if (trainedOn != null && !trainedOn.equals(name) && new WellKnownModels().differ(trainedOn, name)) {
            throw new IllegalArgumentException(dictionary + " was trained on activations of '" + trainedOn
                    + "', and what its features mean there says nothing about '" + name + "'. Load that model, or take"
                    + " spliced().forAnyOptions() (--any-options) if you know what they mean here");
        }
    }

    private void checkWidth(HookedTransformer model, String point, int width, String what) {
        HookPoint found = model.hookNames().resolve(point);
        Value value = model.graph().hooks().get(found.name());
        TensorType type = value == null ? null : value.type();
        long has = 0;
        if (type != null) {
            has = config().mergesHeads()
                    ? type.dim(-1).value() * type.dim(-2).value()
                    : type.dim(-1).isFixed() ? type.dim(-1).value() : 0;
        }
        if (has != width) {
            throw new IllegalArgumentException(dictionary + " " + what + " " + point + " with width " + width
                    + ", but there '" + model.config().modelName() + "' has " + type + ". "
                    + (config().model() == null
                            ? "It belongs to another model"
                            : "It was trained on '" + config().model() + "'"));
        }
    }

    private void checkOptions(HookedTransformer model) {
        Map<String, Boolean> has = new TreeMap<>(Map.of(
                "fold_ln", model.options().foldLn(),
                "center_writing_weights", model.options().centerWritingWeights(),
                "center_unembed", model.options().centerUnembed(),
                "fold_value_biases", model.options().foldValueBiases()));
        List<String> differing = new ArrayList<>();
        config().modelOptions().forEach((option, value) -> {
            Boolean own = has.get(option);
            if (own != null && !own.equals(value)) {
                differing.add(option + " " + value + " (here " + own + ")");
            }
        });
        if (!differing.isEmpty()) {
            throw new IllegalArgumentException(dictionary + " was trained on activations of a model loaded with "
                    + differing + ". Load the model that way, for example with LoadOptions.noProcessing(), or take"
                    + " spliced().forAnyOptions() if you know that the activations are the same");
        }
    }

    private Expr apply(Expr activation, Scope scope) {
        DictionaryMath<Expr> math = new DictionaryMath<>(
                config(), name -> dictionary.weights().containsKey(name), name -> weight(scope, activation, name));
        Expr read = config().isTranscoder() ? scope.value(config().hookIn()) : activation;
        Expr input = scope.hook(hook("hook_sae_input", Axis.OTHER), merged(read));
        Prepared<Expr> prepared = math.prepare(input);
        Expr pre = scope.hook(hook("hook_sae_acts_pre", Axis.D_SAE), math.preActivations(prepared.input()));
        Expr unedited = math.activations(pre);
        Expr acts = scope.hook(hook("hook_sae_acts_post", Axis.D_SAE), unedited);
        Expr recons = scope.hook(hook("hook_sae_recons", Axis.OTHER), math.decode(acts, prepared));
        Expr output = recons;
        if (errorTerm) {
            Expr missed =
                    merged(activation).sub(math.decode(unedited, prepared)).stopGradient();
            output = recons.add(scope.hook(hook("hook_sae_error", Axis.OTHER), missed));
        }
        return split(scope.hook(hook("hook_sae_output", Axis.OTHER), output), activation);
    }

    private HookPoint hook(String part, Axis last) {
        return HookPoint.of(point(part), Axis.BATCH, Axis.POS, last);
    }

    private Expr weight(Scope scope, Expr activation, String name) {
        HostTensor weight = dictionary.weights().get(name);
        if (weight == null) {
            throw new IllegalStateException(dictionary + " has no array '" + name + "'");
        }
        return scope.weight(weightName(name), activation.dtype(), weight.shape().toArray());
    }

    private Expr merged(Expr activation) {
        return config().mergesHeads() ? activation.mergeAxes(activation.rank() - 2, 2) : activation;
    }

    private Expr split(Expr output, Expr like) {
        if (!config().mergesHeads()) {
            return output;
        }
        Dim heads = like.size(-2);
        return output.splitAxis(output.rank() - 1, heads.value(), -1);
    }
}
