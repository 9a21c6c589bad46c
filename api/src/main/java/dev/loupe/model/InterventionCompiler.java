package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Dim;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.TensorType;
import dev.loupe.hook.Activations;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Makes interventions ready for one run: each becomes a function of the graph, equal for all interventions of its kind,
 * and the tensors that are fed into it. A selection becomes a mask, bool, of size 1 along the axes that are taken whole;
 * a value is fed in the shape that broadcasts to the activation.
 */
final class InterventionCompiler {

    private static final int SHOWN = 200;

    private final HookedTransformer model;
    private final Geometry geometry;
    private final InterventionFiles files;
    private final Supplier<PromptColumns> prompt;
    private final Reach reach;
    private final Map<String, Tensor> feeds = new LinkedHashMap<>();
    private int count;

    /**
     * A compiler for one run.
     *
     * @param prompt of the generation that the run is a step of, or of the run itself
     * @param reach of the generation; less than the run has where there is none
     */
    InterventionCompiler(
            HookedTransformer model,
            Geometry geometry,
            InterventionFiles files,
            Supplier<PromptColumns> prompt,
            Reach reach) {
        this.model = model;
        this.geometry = geometry;
        this.files = files;
        this.prompt = prompt;
        this.reach = reach;
    }

    /** What the compiled functions are fed, by name of the graph input; the run frees them. */
    Map<String, Tensor> feeds() {
        return feeds;
    }

    /**
     * The function that does at a point what an intervention says; null if this step of a generation has none of the
     * places that it is about.
     *
     * @param type of the activation
     * @throws IllegalArgumentException if the selection or the value doesn't fit; says what the point has
     */
    @Nullable
    SplicedIntervention compile(Intervention intervention, HookPoint point, TensorType type) {
        Shape shape = type.resolve(geometry.symbols());
        Site site = new Site(intervention, point, type, shape);
        Places places = places(site);
        if (places != null && places.isEmpty()) {
            return null;
        }
        String prefix = "intervention." + count++ + ".";
        List<Integer> maskAxes = List.of();
        if (places != null) {
            maskAxes = places.axes();
            feed(prefix + SplicedIntervention.MASK, model.tensors().of(places.mask(shape)));
        }
        Intervention.Action action = intervention.action();
        SplicedIntervention.Kind kind;
        List<Integer> valueAxes = List.of();
        Object detail = "";
        if (action instanceof Intervention.Zero) {
            kind = SplicedIntervention.Kind.SET;
            feed(prefix + SplicedIntervention.VALUE, number(0, type));
        } else if (action instanceof Intervention.Set set) {
            kind = SplicedIntervention.Kind.SET;
            valueAxes = value(prefix, set.value(), site, places);
        } else if (action instanceof Intervention.Add add) {
            kind = SplicedIntervention.Kind.ADD;
            valueAxes = value(prefix, add.value(), site, places);
        } else if (action instanceof Intervention.Scale scale) {
            kind = SplicedIntervention.Kind.SCALE;
            feed(prefix + SplicedIntervention.VALUE, number(scale.factor(), type));
        } else if (action instanceof Intervention.Patch patch) {
            kind = SplicedIntervention.Kind.SET;
            valueAxes = patch(prefix, patch, site, places);
        } else if (action instanceof Intervention.Mean mean) {
            kind = SplicedIntervention.Kind.MEAN;
            detail = SplicedIntervention.meanOver(mean, point, type);
        } else if (action instanceof Intervention.ProjectOut out) {
            kind = SplicedIntervention.Kind.PROJECT_OUT;
            HostTensor basis = basis(out, site);
            detail = basis.shape().size(1);
            feed(prefix + SplicedIntervention.VALUE, model.tensors().of(basis.to(type.dtype())));
        } else if (action instanceof Intervention.Function function) {
            kind = SplicedIntervention.Kind.FUNCTION;
            function.inputs().forEach((name, fed) -> feed(SplicedIntervention.own(prefix, name), fed(name, fed, site)));
            detail = new SplicedIntervention.Own(
                    function.function(), function.inputs().keySet());
        } else {
            kind = SplicedIntervention.Kind.STOP;
        }
        return new SplicedIntervention(prefix, kind, maskAxes, valueAxes, detail);
    }

    /** An intervention at one point in one run. */
    private record Site(Intervention intervention, HookPoint point, TensorType type, Shape shape) {
        IllegalArgumentException bad(String why) {
            return new IllegalArgumentException(shown(intervention) + " doesn't fit " + point + ", " + type.dtype()
                    + " " + shape + " " + point.axes() + ": " + why);
        }
    }

    /** In quotation marks, for messages: a value of thousands of numbers says no more than its beginning. */
    static String shown(Intervention intervention) {
        String text = intervention.toString();
        return text.length() <= SHOWN ? "'" + text + "'" : "'" + text.substring(0, SHOWN) + "…'";
    }

    private void feed(String name, Tensor tensor) {
        feeds.put(name, tensor);
    }

    private Tensor number(double number, TensorType type) {
        return model.tensors().full(type.dtype(), number);
    }

    // Selections.

    /**
     * The chosen places by axis: one row for all sequences, or one for each.
     *
     * @param perRow whether the choice is another for each sequence
     * @param named how many places were named, if it isn't: a value's parts come in the order of their names
     * @param parts for each place of the axis, which of them it is; −1 if none
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Chosen(boolean[][] rows, boolean perRow, int named, int[] parts) {
        static Chosen perRow(boolean[][] rows) {
            return new Chosen(rows, true, 1, new int[0]);
        }

        static Chosen forAll(long[] columns, List<Long> named) {
            int[] parts = new int[columns.length];
            boolean[] row = new boolean[columns.length];
            for (int i = 0; i < columns.length; i++) {
                parts[i] = named.indexOf(columns[i]);
                row[i] = parts[i] >= 0;
            }
            return new Chosen(new boolean[][] {row}, false, named.size(), parts);
        }

        long[] places() {
            return IntStream.range(0, parts.length)
                    .filter(i -> parts[i] >= 0)
                    .asLongStream()
                    .toArray();
        }

        long[] partsOfPlaces() {
            return Arrays.stream(parts).filter(part -> part >= 0).asLongStream().toArray();
        }

        boolean isEmpty() {
            for (boolean[] row : rows) {
                for (boolean place : row) {
                    if (place) {
                        return false;
                    }
                }
            }
            return true;
        }
    }

    private record Places(Map<Integer, Chosen> byAxis, int batchAxis) {
        boolean isEmpty() {
            return byAxis.values().stream().anyMatch(Chosen::isEmpty);
        }

        /** The axes along which the mask isn't of size 1. */
        List<Integer> axes() {
            List<Integer> axes = new ArrayList<>(byAxis.keySet());
            boolean perRow = byAxis.values().stream().anyMatch(Chosen::perRow);
            if (perRow && !axes.contains(batchAxis)) {
                axes.add(batchAxis);
            }
            axes.sort(null);
            return List.copyOf(axes);
        }

        HostTensor mask(Shape shape) {
            List<Integer> axes = axes();
            long[] sizes = new long[shape.rank()];
            Arrays.setAll(sizes, axis -> axes.contains(axis) ? shape.size(axis) : 1);
            Shape maskShape = Shape.of(sizes);
            boolean[] mask = new boolean[(int) maskShape.elements()];
            long[] index = new long[sizes.length];
            for (int i = 0; i < mask.length; i++) {
                boolean all = true;
                for (Map.Entry<Integer, Chosen> entry : byAxis.entrySet()) {
                    boolean[][] rows = entry.getValue().rows();
                    int row = entry.getValue().perRow() ? (int) index[batchAxis] : 0;
                    all &= rows[row][(int) index[entry.getKey()]];
                }
                mask[i] = all;
                for (int axis = sizes.length - 1; axis >= 0 && ++index[axis] == sizes[axis]; axis--) {
                    index[axis] = 0;
                }
            }
            return HostTensor.of(maskShape, mask);
        }
    }

    private @Nullable Places places(Site site) {
        Map<Integer, Selection.Places> asked = site.intervention().selection().axes(site.point());
        if (asked.isEmpty()) {
            return null;
        }
        Map<Integer, Chosen> chosen = new LinkedHashMap<>();
        asked.forEach((axis, places) -> chosen.put(axis, chosen(site, axis, places)));
        return new Places(chosen, site.point().axes().indexOf(Axis.BATCH));
    }

    private Chosen chosen(Site site, int axis, Selection.Places places) {
        Axis counts = site.point().axes().get(axis);
        boolean positions = counts.isPosition() || counts == Axis.KEY;
        long[] columns = positions ? columns(site, axis) : range(0, site.shape().size(axis));
        long total = positions ? geometry.past() + geometry.positions() : columns.length;
        long end = positions ? Math.max(total, reach.columns()) : total;
        Chosen chosen;
        if (places instanceof Selection.LastReal) {
            chosen = Chosen.perRow(eachRow(columns, lastReal()));
        } else if (places instanceof Selection.EachRow each) {
            if (each.places().size() != geometry.batch()) {
                throw site.bad("it names " + each.places().size()
                        + " positions, one for each sequence, but the run has " + geometry.batch() + " sequences");
            }
            long[] wanted = each.places().stream()
                    .mapToLong(place -> resolve(site, axis, place, total, end))
                    .toArray();
            chosen = Chosen.perRow(eachRow(columns, wanted));
        } else if (places instanceof Selection.OfPrompt ofPrompt) {
            chosen = Chosen.perRow(ofPrompt(site, columns, ofPrompt));
        } else if (places instanceof Selection.OfToken token) {
            chosen = Chosen.perRow(ofToken(site, columns, token.token()));
        } else {
            chosen = Chosen.forAll(columns, named(site, axis, places, total, end));
        }
        if (chosen.isEmpty() && !(positions && isPartial(site, axis, places, columns.length, total))) {
            throw site.bad("the selection of axis " + axis + " (" + counts + "), " + places + ", is empty");
        }
        return chosen;
    }

    /**
     * Whether positions that were chosen may be elsewhere than among those of this run: a generation meets a position at
     * one of its steps only, and the logits of some positions are few.
     */
    private boolean isPartial(Site site, int axis, Selection.Places places, long here, long total) {
        return geometry.past() > 0 || here < total || isLater(site, axis, places, total);
    }

    /** Whether a later step of this generation has positions that were chosen. */
    private boolean isLater(Site site, int axis, Selection.Places places, long total) {
        if (reach.columns() <= total) {
            return false;
        } else if (places instanceof Selection.EachRow) {
            return true;
        }
        return !named(site, axis, places, reach.columns(), reach.columns()).isEmpty();
    }

    /**
     * The places that are named, each once.
     *
     * @param size of the axis, from whose end negative ones count
     * @param end where places that can be named end: of a generation, where its last step will be
     */
    private static List<Long> named(Site site, int axis, Selection.Places places, long size, long end) {
        if (places instanceof Selection.At at) {
            return at.places().stream()
                    .map(place -> resolve(site, axis, place, size, end))
                    .distinct()
                    .toList();
        } else if (places instanceof Selection.Range range) {
            long stop = clip(range.end(), size);
            return LongStream.iterate(clip(range.start(), size), at -> at >= 0 && at < stop, at -> at + range.step())
                    .boxed()
                    .toList();
        }
        return List.of();
    }

    private static long clip(long bound, long size) {
        return Math.max(0, Math.min(size, bound < 0 ? bound + size : bound));
    }

    private static long resolve(Site site, int axis, long place, long size, long end) {
        long resolved = place < 0 ? place + size : place;
        if (resolved < 0 || resolved >= end) {
            throw site.bad("there is no place " + place + " on axis " + axis + " ("
                    + site.point().axes().get(axis) + "), which has " + size
                    + (end > size ? ", " + end + " at the end of the generation" : ""));
        }
        return resolved;
    }

    /** Which column of the whole sequence each place of a position axis stands for. */
    private long[] columns(Site site, int axis) {
        Dim dim = site.type().dim(axis);
        if (dim.equals(StandardNames.SELECTED)) {
            return Arrays.stream(geometry.logitColumns())
                    .mapToLong(column -> geometry.past() + column)
                    .toArray();
        }
        boolean withPast = dim.symbols().contains(StandardNames.PAST.soleSymbol());
        return range(withPast ? 0 : geometry.past(), site.shape().size(axis));
    }

    private static long[] range(long start, long size) {
        long[] range = new long[(int) size];
        Arrays.setAll(range, i -> start + i);
        return range;
    }

    private long[] lastReal() {
        return Arrays.stream(geometry.keyMask()).mapToLong(Tokens::lastReal).toArray();
    }

    private static boolean[][] eachRow(long[] columns, long[] wanted) {
        boolean[][] rows = new boolean[wanted.length][columns.length];
        for (int row = 0; row < rows.length; row++) {
            for (int i = 0; i < columns.length; i++) {
                rows[row][i] = columns[i] == wanted[row];
            }
        }
        return rows;
    }

    private boolean[][] ofPrompt(Site site, long[] columns, Selection.OfPrompt places) {
        long[][] real = prompt.get().columns();
        boolean[][] rows = new boolean[real.length][columns.length];
        for (int row = 0; row < rows.length; row++) {
            Set<Long> wanted = new HashSet<>();
            for (long place : places.places()) {
                long at = place < 0 ? place + real[row].length : place;
                if (at < 0 || at >= real[row].length) {
                    throw site.bad("there is no token " + place + " in prompt " + row + " of the batch, which has "
                            + real[row].length + " real ones");
                }
                wanted.add(real[row][(int) at]);
            }
            for (int i = 0; i < columns.length; i++) {
                rows[row][i] = wanted.contains(columns[i]);
            }
        }
        return rows;
    }

    private boolean[][] ofToken(Site site, long[] columns, String token) {
        long[][] ids = geometry.keyIds();
        if (geometry.ids() == null) {
            throw site.bad("the run has no tokens, so '" + token + "' stands nowhere");
        }
        long id = model.toSingleToken(token);
        boolean[][] rows = new boolean[ids.length][columns.length];
        for (int row = 0; row < ids.length; row++) {
            for (int i = 0; i < columns.length; i++) {
                int at = (int) columns[i];
                if (geometry.keyMask()[row][at] && ids[row][at] == Geometry.UNKNOWN) {
                    throw site.bad("position " + at + " comes from a key/value cache that doesn't know its tokens, so"
                            + " that nobody knows whether '" + token + "' stands there");
                }
                rows[row][i] = geometry.keyMask()[row][at] && ids[row][at] == id;
            }
        }
        return rows;
    }

    // Values.

    private List<Integer> value(String prefix, Intervention.Values values, Site site, @Nullable Places places) {
        if (values.isNumber()) {
            feed(prefix + SplicedIntervention.VALUE, number(values.factor(), site.type()));
            return List.of();
        }
        Tensor given = tensor(values).to(site.type().dtype());
        Tensor value = values.factor() == 1 ? given : given.mul(values.factor());
        return placed(prefix, value, site, places);
    }

    private Tensor tensor(Intervention.Values values) {
        HostTensor numbers = values.numbers();
        if (numbers != null) {
            return model.tensors().of(numbers);
        }
        return model.tensors().of(files.tensor(String.valueOf(values.file()), String.valueOf(values.name())));
    }

    private Tensor fed(String name, Intervention.Fed fed, Site site) {
        Tensor value = fed.value().to(model.backend());
        Shape expected =
                TensorType.of(value.dtype(), fed.sizes().toArray(new Dim[0])).resolve(geometry.symbols());
        if (!value.shape().equals(expected)) {
            throw site.bad("its input '" + name + "' is " + value.shape() + ", announced as " + fed.sizes() + ", here "
                    + expected);
        }
        return ownedByRun(value);
    }

    // The run frees what it feeds, but not what is somebody else's.
    private static Tensor ownedByRun(Tensor tensor) {
        return tensor.reshape(tensor.shape().toArray());
    }

    /** Feeds a value that broadcasts to the selection in the shape that broadcasts to the activation. */
    private List<Integer> placed(String prefix, Tensor value, Site site, @Nullable Places places) {
        int rank = site.shape().rank();
        long[] part = site.shape().toArray();
        Map<Integer, Chosen> chosen = places == null ? Map.of() : places.byAxis();
        chosen.forEach((axis, one) -> part[axis] = one.perRow() ? 1 : one.named());
        Tensor fitted = fitted(value, part, site, chosen);
        List<Integer> axes = new ArrayList<>();
        for (int axis = 0; axis < rank; axis++) {
            Chosen one = chosen.get(axis);
            if (fitted.size(axis) > 1 && one != null && !one.perRow()) {
                long[] sizes = fitted.shape().toArray();
                sizes[axis] = site.shape().size(axis);
                Object[] at = new Object[axis + 1];
                Arrays.fill(at, Index.all());
                at[axis] = Index.pick(one.places());
                Tensor parts = fitted.pick(axis, one.partsOfPlaces());
                fitted = model.tensors().full(fitted.dtype(), 0, sizes).with(Index.at(at), parts);
            }
            if (fitted.size(axis) > 1 || site.shape().size(axis) == 1) {
                axes.add(axis);
            }
        }
        feed(prefix + SplicedIntervention.VALUE, fitted);
        return List.copyOf(axes);
    }

    /** The value with as many axes as the activation, each of size 1 or the part's. */
    private static Tensor fitted(Tensor value, long[] part, Site site, Map<Integer, Chosen> chosen) {
        long[] kept = aligned(value.shape().toArray(), part);
        if (kept == null) {
            // An axis of which one place is chosen may be left out of the value, as Python does.
            List<Long> without = new ArrayList<>();
            List<Integer> left = new ArrayList<>();
            for (int axis = 0; axis < part.length; axis++) {
                Chosen one = chosen.get(axis);
                if (one == null || one.perRow() || one.named() != 1) {
                    without.add(part[axis]);
                    left.add(axis);
                }
            }
            long[] shorter = aligned(
                    value.shape().toArray(),
                    without.stream().mapToLong(Long::longValue).toArray());
            if (shorter == null) {
                throw site.bad("a value of shape " + value.shape() + " doesn't broadcast to the part that is changed, "
                        + Arrays.toString(part));
            }
            kept = new long[part.length];
            Arrays.fill(kept, 1);
            for (int i = 0; i < shorter.length; i++) {
                kept[left.get(i)] = shorter[i];
            }
        }
        return value.reshape(kept);
    }

    private static long @Nullable [] aligned(long[] value, long[] part) {
        if (value.length > part.length) {
            return null;
        }
        long[] aligned = new long[part.length];
        Arrays.fill(aligned, 1);
        for (int i = 1; i <= value.length; i++) {
            long size = value[value.length - i];
            if (size != 1 && size != part[part.length - i]) {
                return null;
            }
            aligned[part.length - i] = size;
        }
        return aligned;
    }

    /** What a run of another length has at the selected positions, at these positions of this one. */
    private Tensor samePlaces(Tensor source, int axis, Chosen here, Site site) {
        Selection.Places places = Objects.requireNonNull(
                site.intervention().selection().axes(site.point()).get(axis));
        List<Long> named = named(site, axis, places, source.size(axis), source.size(axis));
        if (named.size() != here.named()) {
            throw site.bad("the other run's activation is " + source.shape() + ", of which " + places + " chooses "
                    + named.size() + " positions, of this run " + here.named());
        }
        long[] sizes = source.shape().toArray();
        sizes[axis] = site.shape().size(axis);
        Object[] at = new Object[axis + 1];
        Arrays.fill(at, Index.all());
        at[axis] = Index.pick(here.places());
        long[] from = Arrays.stream(here.partsOfPlaces())
                .map(part -> named.get((int) part))
                .toArray();
        Tensor parts = source.to(model.backend()).pick(axis, from);
        return model.tensors().full(source.dtype(), 0, sizes).with(Index.at(at), parts);
    }

    private List<Integer> patch(String prefix, Intervention.Patch patch, Site site, @Nullable Places places) {
        Tensor source = source(patch, site);
        if (source.rank() == site.shape().rank() - 1) {
            source = source.unsqueeze(0);
        }
        int positionAxis = site.point().positionAxis();
        boolean longer = positionAxis >= 0
                && source.rank() == site.shape().rank()
                && geometry.past() > 0
                && source.size(positionAxis) >= geometry.past() + site.shape().size(positionAxis);
        if (longer) {
            source = source.slice(
                    positionAxis,
                    geometry.past(),
                    geometry.past() + site.shape().size(positionAxis));
        }
        Chosen there = places == null ? null : places.byAxis().get(positionAxis);
        if (there != null
                && !there.perRow()
                && source.rank() == site.shape().rank()
                && source.size(positionAxis) != site.shape().size(positionAxis)) {
            source = samePlaces(source, positionAxis, there, site);
        }
        boolean fits = source.rank() == site.shape().rank();
        List<Integer> axes = new ArrayList<>();
        for (int axis = 0; fits && axis < source.rank(); axis++) {
            boolean oneForAll = site.point().axes().get(axis) == Axis.BATCH && source.size(axis) == 1;
            fits = source.size(axis) == site.shape().size(axis) || oneForAll;
            if (source.size(axis) > 1 || site.shape().size(axis) == 1) {
                axes.add(axis);
            }
        }
        if (!fits) {
            throw site.bad("the other run's activation is " + source.shape()
                    + "; both runs need as many sequences (or the other one) and as many positions");
        }
        Tensor moved = source.to(model.backend()).to(site.type().dtype());
        feed(prefix + SplicedIntervention.VALUE, ownedByRun(moved));
        return List.copyOf(axes);
    }

    private Tensor source(Intervention.Patch patch, Site site) {
        Activations activations = patch.activations();
        String name = site.point().name();
        if (activations != null) {
            return activations.get(name);
        }
        return model.tensors().of(files.tensor(String.valueOf(patch.file()), name));
    }

    /** An orthonormal basis [size, n] of what the directions span, by Gram and Schmidt, twice over. */
    private HostTensor basis(Intervention.ProjectOut out, Site site) {
        Tensor given = tensor(out.directions());
        int size = (int) site.shape().size(-1);
        if (given.rank() < 1 || given.rank() > 2 || given.size(-1) != size) {
            throw site.bad(
                    "directions of shape " + given.shape() + " are needed as [n, " + size + "] or [" + size + "]");
        }
        double[] flat = given.toDoubleArray();
        List<double[]> basis = new ArrayList<>();
        for (int start = 0; start < flat.length; start += size) {
            double[] direction = Arrays.copyOfRange(flat, start, start + size);
            double before = norm(direction);
            for (int twice = 0; twice < 2; twice++) {
                for (double[] known : basis) {
                    double along = 0;
                    for (int i = 0; i < size; i++) {
                        along += known[i] * direction[i];
                    }
                    for (int i = 0; i < size; i++) {
                        direction[i] -= along * known[i];
                    }
                }
            }
            double rest = norm(direction);
            if (rest > 1e-10 * before) {
                for (int i = 0; i < size; i++) {
                    direction[i] /= rest;
                }
                basis.add(direction);
            }
        }
        if (basis.isEmpty()) {
            throw site.bad("the directions are all zero");
        }
        double[] columns = new double[size * basis.size()];
        for (int column = 0; column < basis.size(); column++) {
            for (int i = 0; i < size; i++) {
                columns[i * basis.size() + column] = basis.get(column)[i];
            }
        }
        return HostTensor.of(Shape.of(size, basis.size()), columns).to(DType.FLOAT64);
    }

    private static double norm(double[] vector) {
        return Math.sqrt(Arrays.stream(vector).map(x -> x * x).sum());
    }
}
