package dev.loupe.model;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Scope;
import dev.loupe.graph.TensorType;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Interventions for runs of any batch and length, whose numbers come with the graph: positions are chosen by what the graph
 * works out from tokens and padding. Values may be inputs instead, so that each run brings its own.
 */
final class StandaloneInterventions {

    private static final String HINT = ". In a model that stands alone batch and positions vary from run to run, so"
            + " a value is one for all of them";

    private final HookedTransformer model;
    private final boolean valuesAsInputs;
    private final InterventionFiles files = new InterventionFiles();
    private final Set<String> inputs = new LinkedHashSet<>();
    private int count;

    StandaloneInterventions(HookedTransformer model, boolean valuesAsInputs) {
        this.model = model;
        this.valuesAsInputs = valuesAsInputs;
    }

    /** The names of the inputs that values are fed to. */
    Set<String> inputs() {
        return inputs;
    }

    /**
     * The function that does at a point what an intervention says.
     *
     * @throws IllegalArgumentException if it depends on a certain batch or length; says how
     */
    GraphFunction compile(Intervention intervention, HookPoint point, TensorType type) {
        String prefix = "intervention." + count++ + ".";
        Map<Integer, Selection.Places> asked = intervention.selection().axes(point);
        Map<Integer, Selection.Places> open = new LinkedHashMap<>();
        List<Selection.Part> fixed = new ArrayList<>();
        for (int axis = 0; axis < point.axes().size(); axis++) {
            Selection.Places places = asked.get(axis);
            boolean isFixed = type.dim(axis).isFixed();
            fixed.add(new Selection.Part(null, places == null || !isFixed ? new Selection.All() : places));
            if (places != null && !isFixed) {
                open.put(axis, places);
            }
        }
        boolean patch = intervention.action() instanceof Intervention.Patch;
        if (patch && !valuesAsInputs) {
            throw new IllegalArgumentException(InterventionCompiler.shown(intervention)
                    + " patches activations of one run, of its batch and length, into a model that stands alone:"
                    + " let the values be inputs, or set a value that serves all positions");
        }
        // Zero is a value too, if another may come in its place.
        boolean takesValue = patch || (valuesAsInputs && intervention.action() instanceof Intervention.Zero);
        Intervention oneForAll = new Intervention(
                intervention.point(),
                new Selection(fixed),
                takesValue ? new Intervention.Set(Intervention.Values.of(0)) : intervention.action());
        Geometry any = Geometry.of(null, new boolean[][] {{true}}, null);
        InterventionCompiler compiler =
                new InterventionCompiler(model, any, files, () -> PromptColumns.of(any), new Reach(0));
        SplicedIntervention spliced = oneForAll(compiler, oneForAll, point, type);
        Map<String, HostTensor> numbers = numbers(compiler, spliced.prefix(), prefix);
        List<Integer> maskAxes = new ArrayList<>(spliced.maskAxes());
        maskAxes.addAll(open.keySet());
        SplicedIntervention function = new SplicedIntervention(
                prefix,
                spliced.kind(),
                List.copyOf(maskAxes),
                patch ? IntStream.range(0, type.rank()).boxed().toList() : spliced.valueAxes(),
                spliced.detail());
        Function made = new Function(function, intervention, point, numbers, Map.copyOf(open), patch);
        made.announce();
        return made;
    }

    private static SplicedIntervention oneForAll(
            InterventionCompiler compiler, Intervention intervention, HookPoint point, TensorType type) {
        try {
            return Objects.requireNonNull(compiler.compile(intervention, point, type));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(e.getMessage() + HINT, e);
        }
    }

    private static Map<String, HostTensor> numbers(InterventionCompiler compiler, String from, String to) {
        Map<String, HostTensor> numbers = new HashMap<>();
        compiler.feeds().forEach((name, tensor) -> {
            try (Tensor fed = tensor) {
                numbers.put(to + name.substring(from.length()), fed.toHost());
            }
        });
        return numbers;
    }

    /** An intervention whose inputs are constants, or expressions of the model's own inputs. */
    private final class Function implements GraphFunction {
        private final SplicedIntervention spliced;
        private final Intervention intervention;
        private final HookPoint point;
        private final Map<String, HostTensor> numbers;
        private final Map<Integer, Selection.Places> open;
        private final boolean patch;

        Function(
                SplicedIntervention spliced,
                Intervention intervention,
                HookPoint point,
                Map<String, HostTensor> numbers,
                Map<Integer, Selection.Places> open,
                boolean patch) {
            this.spliced = spliced;
            this.intervention = intervention;
            this.point = point;
            this.numbers = numbers;
            this.open = open;
            this.patch = patch;
        }

        private String maskName() {
            return spliced.prefix() + SplicedIntervention.MASK;
        }

        private boolean isInput(String name) {
            return valuesAsInputs && !name.equals(maskName());
        }

        void announce() {
            numbers.keySet().stream().filter(this::isInput).forEach(inputs::add);
        }

        @Override
        public Expr apply(Expr x, Scope scope) {
            return spliced.apply(x, new InputScope(scope, (outer, name, dtype, sizes) -> {
                HostTensor known = numbers.get(name);
                if (name.equals(maskName())) {
                    return mask(x.rank(), outer, known);
                } else if (known == null) {
                    return null;
                } else if (isInput(name)) {
                    return outer.input(name, dtype, patch ? x.type().dims() : dims(known));
                }
                return outer.constant(name, known.to(dtype));
            }));
        }

        private Expr mask(int rank, Scope scope, @Nullable HostTensor fixed) {
            Expr all = fixed == null ? null : scope.constant(maskName(), fixed);
            for (Map.Entry<Integer, Selection.Places> entry : open.entrySet()) {
                Expr chosen = chosen(rank, entry.getKey(), entry.getValue(), scope);
                all = all == null ? chosen : all.and(chosen);
            }
            if (all == null) {
                throw new IllegalStateException(
                        InterventionCompiler.shown(intervention) + " has no selection to make a mask of");
            }
            return all;
        }

        private Expr chosen(int rank, int axis, Selection.Places places, Scope scope) {
            if (places instanceof Selection.At at && at.places().isEmpty()
                    || places instanceof Selection.OfPrompt prompt
                            && prompt.places().isEmpty()) {
                throw new IllegalArgumentException(
                        InterventionCompiler.shown(intervention) + " chooses no place of axis " + axis + " ("
                                + point.axes().get(axis) + ") of " + point);
            }
            boolean batch = point.axes().get(axis) == Axis.BATCH;
            Expr chosen = batch
                    ? StandalonePositions.rows(scope, places)
                    : StandalonePositions.positions(scope, places, model::toSingleToken);
            if (chosen == null) {
                throw new IllegalArgumentException(
                        InterventionCompiler.shown(intervention) + " names a position for each of so many"
                                + " sequences, but a model that stands alone takes any number of them: choose positions by"
                                + " number, last, or a token");
            }
            // What differs from row to row has the batch in front already.
            int between = chosen.rank() == 2 ? 1 : 0;
            Expr placed = chosen;
            while (placed.rank() <= axis) {
                placed = placed.unsqueeze(between);
            }
            while (placed.rank() < rank) {
                placed = placed.unsqueeze(placed.rank());
            }
            return placed;
        }
    }

    private static Dim[] dims(HostTensor tensor) {
        return Arrays.stream(tensor.shape().toArray()).mapToObj(Dim::of).toArray(Dim[]::new);
    }
}
