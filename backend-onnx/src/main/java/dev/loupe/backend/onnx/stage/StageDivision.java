package dev.loupe.backend.onnx.stage;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.host.HostOps;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * Cuts a segment into stages.
 *
 * <p>Every step gets a time: groups run at even times, everything else at odd ones, each step at the earliest
 * time at which what it reads is there. The steps of one even time are a group.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class StageDivision {

    private static final int AT_ONCE = -1;

    private final Segment segment;
    private final boolean splitProducts;
    private final int[] time; // when a slot can be read
    private final BitSet inlined = new BitSet(); // scalars that every reader writes down for itself
    private final BitSet weights = new BitSet();
    private final BitSet given = new BitSet();
    private final BitSet declared = new BitSet();
    private final Segment.Step[] makers;
    private final List<List<Segment.Step>> readers = new ArrayList<>();
    private final TreeMap<Integer, List<Segment.Step>> groups = new TreeMap<>();
    private final TreeMap<Integer, List<Stage>> others = new TreeMap<>();

    private StageDivision(Segment segment, boolean splitProducts) {
        int slots = segment.types().size();
        this.segment = segment;
        this.splitProducts = splitProducts;
        this.time = new int[slots];
        this.makers = new Segment.Step[slots];
        Arrays.fill(time, AT_ONCE);
        for (int i = 0; i < slots; i++) {
            readers.add(new ArrayList<>());
        }
        segment.weights().forEach(weight -> weights.set(weight.slot()));
        segment.inputs().forEach(given::set);
        segment.outputs().forEach(declared::set);
        for (Segment.Step step : segment.steps()) {
            step.inputs().forEach(slot -> readers.get(slot).add(step));
            step.outputs().forEach(slot -> makers[slot] = step);
        }
    }

    /**
     * The stages of a segment, in an order in which they can run.
     *
     * @param splitProducts whether products with weights, and changes of sizes, become stages of their own
     */
    public static List<Stage> of(Segment segment, boolean splitProducts) {
        return new StageDivision(segment, splitProducts).stages();
    }

    /** The slot of the indices that a step reads, which must lie within bounds; −1 if it reads none. */
    public static int indices(Segment.Step step) {
        return step.op().indexedAxis() >= 0 ? step.inputs().get(1) : -1;
    }

    private List<Stage> stages() {
        segment.steps().forEach(this::place);
        List<Stage> stages = new ArrayList<>();
        Set<Integer> times = new LinkedHashSet<>(groups.keySet());
        times.addAll(others.keySet());
        times.stream().sorted().forEach(at -> {
            if (groups.containsKey(at)) {
                stages.add(group(groups.get(at)));
            }
            stages.addAll(others.getOrDefault(at, List.of()));
        });
        return stages;
    }

    private void place(Segment.Step step) {
        int ready = step.inputs().stream().mapToInt(slot -> time[slot]).max().orElse(AT_ONCE);
        int at;
        if (isWideningForProducts(step)) {
            at = AT_ONCE;
        } else if (isInlined(step)) {
            inlined.set(step.outputs().get(0));
            at = AT_ONCE;
        } else if (isProduct(step)) {
            at = nextOdd(ready);
            stage(at, new Stage.Product(step, stored(step.inputs().get(1))));
        } else if (isAppend(step)) {
            at = nextOdd(ready);
            stage(at, new Stage.Append(step));
        } else if (isHost(step)) {
            at = nextOdd(ready);
            stage(at, new Stage.Host(step));
        } else if (splitProducts && isView(step.op()) && isReadyOutsideGroups(step)) {
            at = ready == AT_ONCE ? AT_ONCE : ready | 1;
            stage(at, new Stage.View(step));
        } else {
            // Indices are checked before a group runs, so they have to be made before it.
            int indices = indices(step);
            at = Math.max(0, (ready + 1) / 2 * 2);
            at = indices >= 0 && time[indices] == at ? at + 2 : at;
            groups.computeIfAbsent(at, key -> new ArrayList<>()).add(step);
        }
        for (int slot : step.outputs()) {
            time[slot] = at;
        }
    }

    private static int nextOdd(int time) {
        return (time + 1) | 1;
    }

    private void stage(int at, Stage stage) {
        others.computeIfAbsent(at, key -> new ArrayList<>()).add(stage);
    }

    private boolean isHost(Segment.Step step) {
        return !step.inputs().isEmpty()
                && HostOps.computes(
                        step.op(), segment.types().get(step.inputs().get(0)).dtype());
    }

    private boolean isAppend(Segment.Step step) {
        return splitProducts
                && step.op() instanceof Op.Concat
                && step.inputs().size() == 2
                && given.get(step.inputs().get(0));
    }

    private boolean isInlined(Segment.Step step) {
        if (!(step.op() instanceof Op.Full full) || full.shape().rank() > 0) {
            return false;
        }
        int slot = step.outputs().get(0);
        return !declared.get(slot) && readers.get(slot).stream().noneMatch(reader -> indices(reader) == slot);
    }

    private boolean isProduct(Segment.Step step) {
        if (!splitProducts || !step.op().isProduct()) {
            return false;
        }
        int weight = stored(step.inputs().get(1));
        return weights.get(weight)
                && segment.types().get(weight).rank() == 2
                && segment.types().get(step.inputs().get(0)).rank() >= 2;
    }

    /** The slot of a weight in 16 bits that a slot is the widened form of; the slot itself if it is none. */
    private int stored(int slot) {
        Segment.Step maker = makers[slot];
        if (maker == null || !(maker.op() instanceof Op.Cast)) {
            return slot;
        }
        int from = maker.inputs().get(0);
        boolean widened = weights.get(from)
                && segment.types().get(from).dtype().isSixteenBits()
                && segment.types().get(slot).dtype() == DType.FLOAT32;
        return widened ? from : slot;
    }

    // Products widen their weights by themselves.
    private boolean isWideningForProducts(Segment.Step step) {
        int slot = step.outputs().get(0);
        return splitProducts
                && stored(slot) != slot
                && !declared.get(slot)
                && readers.get(slot).stream()
                        .allMatch(reader -> isProduct(reader) && reader.inputs().lastIndexOf(slot) == 1);
    }

    private static boolean isView(Op op) {
        return op instanceof Op.Reshape || op instanceof Op.SplitAxis || op instanceof Op.MergeAxes;
    }

    // A view of what a group made is part of that group, unless only products read it.
    private boolean isReadyOutsideGroups(Segment.Step view) {
        int from = view.inputs().get(0);
        if (inlined.get(from)) {
            return false;
        }
        if (makers[from] == null || time[from] % 2 != 0) {
            return true;
        }
        return view.outputs().stream()
                .allMatch(slot -> readers.get(slot).stream().allMatch(this::isProduct));
    }

    private Stage.Group group(List<Segment.Step> steps) {
        Set<Integer> made = new LinkedHashSet<>();
        Set<Integer> inputs = new LinkedHashSet<>();
        Set<Segment.Step> all = new LinkedHashSet<>();
        for (Segment.Step step : steps) {
            for (int slot : step.inputs()) {
                if (inlined.get(slot)) {
                    all.add(makers[slot]);
                } else if (!made.contains(slot)) {
                    inputs.add(slot);
                }
            }
            made.addAll(step.outputs());
        }
        all.addAll(steps);
        List<Integer> outputs = made.stream()
                .filter(slot ->
                        declared.get(slot) || readers.get(slot).stream().anyMatch(reader -> !steps.contains(reader)))
                .toList();
        return new Stage.Group(List.copyOf(inputs), outputs, List.copyOf(all));
    }
}
