package dev.loupe.analysis.patching;

import dev.loupe.analysis.Progress;
import dev.loupe.analysis.patching.PatchRunner.Patch;
import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Takes parts of a model out, by putting something in their place that says nothing of the input: zero, the mean over
 * other inputs, or what they did on another input.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Ablation {

    private interface Replacement {
        /** What takes the place of an activation [batch, pos, …]: of its size, or of size 1 along the batch; null for zeros. */
        @Nullable
        Tensor of(HookPoint point, Tokens tokens);
    }

    private final String name;
    private final @Nullable ActivationCache reference;
    private final Replacement replacement;
    private final long memoryBudget;

    private Ablation(String name, @Nullable ActivationCache reference, Replacement replacement) {
        this(name, reference, replacement, ActivationPatching.DEFAULT_BUDGET);
    }

    private Ablation(String name, @Nullable ActivationCache reference, Replacement replacement, long memoryBudget) {
        this.name = name;
        this.reference = reference;
        this.replacement = replacement;
        this.memoryBudget = memoryBudget;
    }

    /** Zeros. */
    public static Ablation zero() {
        return new Ablation("zero", null, (point, tokens) -> null);
    }

    /** The mean over all sequences and positions of reference runs, which may be of any length. */
    public static Ablation mean(ActivationCache reference) {
        return new Ablation("mean", reference, (point, tokens) -> {
            Tensor other = reference.get(point.name());
            if (point.isAttention()) {
                throw new IllegalArgumentException("The mean over positions of " + point
                        + " says nothing; use meanByPosition, or ablate what it moves (z)");
            }
            long[] sizes = other.shape().toArray();
            sizes[0] = 1;
            sizes[1] = tokens.positions();
            return other.mean(0, 1).unsqueeze(0).unsqueeze(0).expand(sizes);
        });
    }

    /** The mean over all sequences of reference runs, position by position: as long as the runs that are ablated. */
    public static Ablation meanByPosition(ActivationCache reference) {
        return new Ablation("mean by position", reference, (point, tokens) -> {
            Tensor other = reference.get(point.name());
            requireLength(tokens, other, point);
            return other.mean(0).unsqueeze(0);
        });
    }

    /**
     * What the part did on a sequence of reference runs, drawn for each sequence: as long as the runs that are ablated.
     * The same seed draws the same for every part.
     */
    public static Ablation resample(ActivationCache reference, long seed) {
        return new Ablation("resample", reference, (point, tokens) -> {
            Tensor other = reference.get(point.name());
            requireLength(tokens, other, point);
            Random random = new Random(seed);
            long[] rows = new long[tokens.batch()];
            for (int i = 0; i < rows.length; i++) {
                rows[i] = random.nextInt((int) other.size(0));
            }
            return other.pick(0, rows);
        });
    }

    private static void requireLength(Tokens tokens, Tensor other, HookPoint point) {
        if (other.size(point.positionAxis()) != tokens.positions()) {
            throw new IllegalArgumentException("The reference runs' " + point + " is " + other.shape()
                    + ", the ablated run has " + tokens.positions()
                    + " positions: both need prompts of the same number of tokens; Ablation.mean takes any");
        }
    }

    /**
     * About how many bytes of activations the ablated runs that go through the model together may hold; 256 MiB unless
     * set. Weights, and the keys, values and activations of the run that is ablated, come on top. It concerns
     * everything that measures many runs: heads, layers, and each of some parts.
     */
    public Ablation memoryBudget(long bytes) {
        return new Ablation(name, reference, replacement, RunCost.budget(bytes));
    }

    /** What is put in place: {@code zero}, {@code mean}, … */
    public String name() {
        return name;
    }

    /**
     * What ablates parts of a model, as interventions for runs and for generation.
     *
     * @param tokens of the run, or the prompt: resampling draws a sequence for each of them
     */
    public Intervention[] interventions(HookedTransformer model, Tokens tokens, Component... components) {
        HookNames names = model.hookNames();
        List<Intervention> interventions = new ArrayList<>();
        for (Component component : components) {
            HookPoint point = component.point(names);
            requireReference(List.of(point.name()));
            Tensor value = replacement.of(point, tokens);
            Intervention change =
                    value == null ? Intervention.zero(point.name()) : Intervention.patch(point.name(), name -> value);
            interventions.add(component.restrict(change, point));
        }
        return interventions.toArray(new Intervention[0]);
    }

    /** The same of a list of parts. */
    public Intervention[] interventions(HookedTransformer model, Tokens tokens, List<Component> components) {
        return interventions(model, tokens, components.toArray(new Component[0]));
    }

    private void requireReference(List<String> points) {
        if (reference != null) {
            RequiredActivations.check(reference, "Ablation by " + name, points);
        }
    }

    private Tensor ablate(Component component, Tensor activation, HookPoint point, Tokens tokens) {
        Tensor value = replacement.of(point, tokens);
        Tensor full = value == null
                ? activation.mul(0)
                : value.expand(activation.shape().toArray());
        return component.replace(activation, full, point);
    }

    /** The metric with each head taken out alone: [layer, head]. */
    public PatchingResult heads(HookedTransformer model, Tokens tokens, LogitMetric metric) {
        return heads(model, tokens, metric, Progress.NONE);
    }

    /** As {@link #heads(HookedTransformer, Tokens, LogitMetric)}, told how far it has come. */
    public PatchingResult heads(HookedTransformer model, Tokens tokens, LogitMetric metric, Progress progress) {
        List<Component> components = new ArrayList<>();
        int heads = model.config().nHeads();
        for (int i = 0; i < model.config().nLayers() * heads; i++) {
            components.add(Component.head(i / heads, i % heads));
        }
        Tensor values = each(model, tokens, metric, components, progress).reshape(-1, heads);
        return new PatchingResult(
                name + " ablation of heads", List.of(SweepAxis.LAYER, SweepAxis.HEAD), values, List.of());
    }

    /** The metric with the attention and with the MLP of each layer taken out alone: [2, layer]. */
    public PatchingResult layers(HookedTransformer model, Tokens tokens, LogitMetric metric) {
        return layers(model, tokens, metric, Progress.NONE);
    }

    /** As {@link #layers(HookedTransformer, Tokens, LogitMetric)}, told how far it has come. */
    public PatchingResult layers(HookedTransformer model, Tokens tokens, LogitMetric metric, Progress progress) {
        List<Component> components = new ArrayList<>();
        int layers = model.config().nLayers();
        for (int i = 0; i < 2 * layers; i++) {
            components.add(i < layers ? Component.attention(i) : Component.mlp(i - layers));
        }
        Tensor values = each(model, tokens, metric, components, progress).reshape(2, layers);
        return new PatchingResult(
                name + " ablation of layers",
                List.of(SweepAxis.KIND, SweepAxis.LAYER),
                values,
                List.of("attn_out", "mlp_out"));
    }

    /** The metric with each of some parts taken out alone: [part]. */
    public Tensor each(HookedTransformer model, Tokens tokens, LogitMetric metric, List<Component> components) {
        return each(model, tokens, metric, components, Progress.NONE);
    }

    /** The metric with each of some parts taken out alone: [part]. Runs with parts of one activation are batched. */
    public Tensor each(
            HookedTransformer model, Tokens tokens, LogitMetric metric, List<Component> components, Progress progress) {
        List<Patch> patches = new ArrayList<>();
        for (Component component : components) {
            HookPoint point = component.point(model.hookNames());
            requireReference(List.of(point.name()));
            patches.add(new Patch(point.name(), activation -> ablate(component, activation, point, tokens)));
        }
        double[] metrics = new PatchRunner(model, tokens, metric, memoryBudget, progress).run(patches);
        return PatchingResult.tensor(model, metrics, metrics.length);
    }
}
