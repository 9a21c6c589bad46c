package dev.loupe.backend.onnx.execution;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.onnx.host.Bounds;
import dev.loupe.backend.onnx.host.EmptyTensors;
import dev.loupe.backend.onnx.host.HostOps;
import dev.loupe.backend.onnx.lowering.BlockedAttention;
import dev.loupe.backend.onnx.lowering.OneQueryProducts;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.runtime.OnnxSession;
import dev.loupe.backend.onnx.runtime.PackedWeight;
import dev.loupe.backend.onnx.stage.Schedule;
import dev.loupe.backend.onnx.stage.Stage;
import dev.loupe.backend.onnx.stage.StageDivision;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Carries out one stage of a schedule. */
abstract sealed class StageRun {

    private final OnnxBackend backend;
    private final Segment segment;
    private final Schedule.Call call;

    private StageRun(OnnxBackend backend, Segment segment, Schedule.Call call) {
        this.backend = backend;
        this.segment = segment;
        this.call = call;
    }

    static StageRun of(OnnxBackend backend, Segment segment, Schedule.Call call, @Nullable OnnxHandle[] weights) {
        if (call.stage() instanceof Stage.View view) {
            return new View(backend, segment, call, view);
        } else if (call.stage() instanceof Stage.Host host) {
            return new Host(backend, segment, call, host);
        } else if (call.stage() instanceof Stage.Append append) {
            return new Append(backend, segment, call, append);
        } else if (call.stage() instanceof Stage.Product product) {
            return new Product(backend, segment, call, product, weights);
        } else if (call.stage() instanceof Stage.Group group) {
            return new Group(backend, segment, call, group, weights);
        }
        throw new IllegalStateException("Unknown kind of stage: " + call.stage());
    }

    /** Reads and writes slots. */
    final void run(Slots slots, Sizes sizes) {
        compute(slots, sizes);
        for (int slot : call.freed()) {
            slots.free(slot);
        }
    }

    abstract void compute(Slots slots, Sizes sizes);

    /** Gives sessions back. */
    void close() {}

    final int gpu() {
        return backend.on().gpu(segment.placement());
    }

    OnnxBackend backend() {
        return backend;
    }

    Segment segment() {
        return segment;
    }

    TensorType type(int slot) {
        return segment.types().get(slot);
    }

    List<Integer> outputs() {
        return call.outputs();
    }

    OnnxHandle allocate(int slot, Slots slots, Sizes sizes) {
        TensorType type = type(slot);
        OnnxHandle handle = OnnxHandle.allocate(backend.runtime(), type.dtype(), sizes.shape(type));
        slots.put(slot, handle);
        return handle;
    }

    private static final class View extends StageRun {
        private final int from;
        private final int to;

        View(OnnxBackend backend, Segment segment, Schedule.Call call, Stage.View view) {
            super(backend, segment, call);
            from = view.inputs().get(0);
            to = view.outputs().get(0);
        }

        @Override
        void compute(Slots slots, Sizes sizes) {
            slots.put(to, slots.get(from).view(sizes.shape(type(to))));
        }
    }

    private static final class Host extends StageRun {
        private final Segment.Step step;

        Host(OnnxBackend backend, Segment segment, Schedule.Call call, Stage.Host host) {
            super(backend, segment, call);
            step = host.step();
        }

        @Override
        void compute(Slots slots, Sizes sizes) {
            List<HostTensor> in =
                    slots.get(step.inputs()).stream().map(OnnxHandle::inPlace).toList();
            List<HostTensor> out = new ArrayList<>();
            step.outputs().forEach(slot -> out.add(allocate(slot, slots, sizes).inPlace()));
            HostOps.compute(step.op(), in, out);
        }
    }

    private static final class Append extends StageRun {
        private final Segment.Step step;
        private final int axis;

        Append(OnnxBackend backend, Segment segment, Schedule.Call call, Stage.Append append) {
            super(backend, segment, call);
            step = append.step();
            axis = ((Op.Concat) step.op()).axis();
        }

        @Override
        void compute(Slots slots, Sizes sizes) {
            int result = step.outputs().get(0);
            OnnxHandle before = slots.get(step.inputs().get(0));
            OnnxHandle added = slots.get(step.inputs().get(1));
            slots.put(result, before.append(added, axis, sizes.shape(type(result))));
        }
    }

    private static final class Product extends StageRun {
        private final Stage.Product product;
        private final boolean stored;
        private final ReferenceCountedCache.Lease<OnnxSession> lease;

        Product(
                OnnxBackend backend,
                Segment segment,
                Schedule.Call call,
                Stage.Product product,
                @Nullable OnnxHandle[] weights) {
            super(backend, segment, call);
            this.product = product;
            OnnxHandle weight = weight(weights, product.weight());
            stored = Stages.isStored(product, weight);
            lease = acquire(weight);
            weight.letGo(() -> {
                ReferenceCountedCache.Lease<OnnxSession> own = acquire(weight);
                return PackedWeight.of(backend.runtime(), own.value(), own::close, weight.dtype(), weight.shape());
            });
        }

        private ReferenceCountedCache.Lease<OnnxSession> acquire(OnnxHandle weight) {
            return backend()
                    .sessions()
                    .acquire(
                            Stages.key(product, weight),
                            key -> new OnnxSession(
                                    backend().runtime(),
                                    Stages.model(product, weight, Stages.describe(segment(), product.step())),
                                    gpu()));
        }

        @Override
        void compute(Slots slots, Sizes sizes) {
            OnnxHandle x = slots.get(product.operand());
            OnnxHandle result = allocate(product.outputs().get(0), slots, sizes);
            if (result.shape().elements() == 0) {
                return;
            }
            try (OnnxHandle rows = x.view(rows(x.shape()));
                    OnnxHandle resultRows = result.view(rows(result.shape()))) {
                long bands = stored ? StoredProduct.bands(resultRows.shape()) : 1;
                if (bands == 1) {
                    multiply(slots, rows, resultRows);
                } else {
                    multiplyInBands(slots, rows, resultRows, bands);
                }
            }
        }

        private void multiplyInBands(Slots slots, OnnxHandle rows, OnnxHandle results, long bands) {
            long all = rows.shape().size(0);
            for (long band = 0; band < bands; band++) {
                long from = all * band / bands;
                long to = all * (band + 1) / bands;
                try (OnnxHandle some = rows.rows(from, to);
                        OnnxHandle someResults = results.rows(from, to)) {
                    multiply(slots, some, someResults);
                }
            }
        }

        private void multiply(Slots slots, OnnxHandle rows, OnnxHandle results) {
            OnnxSession session = lease.value();
            List<OnnxHandle> in = new ArrayList<>(List.of(rows));
            if (stored) {
                in.add(slots.get(product.weight()));
            }
            if (product.inputs().size() == 3) {
                in.add(slots.get(product.inputs().get(2)));
            }
            session.run(in, Map.of(session.outputs().get(0), results));
        }

        private static Shape rows(Shape shape) {
            long width = shape.size(-1);
            return Shape.of(shape.elements() / width, width);
        }

        @Override
        void close() {
            lease.close();
        }
    }

    private static OnnxHandle weight(@Nullable OnnxHandle[] weights, int slot) {
        OnnxHandle weight = weights[slot];
        if (weight == null) {
            throw new IllegalStateException("Slot " + slot + " holds no weight");
        }
        return weight;
    }

    private static final class Group extends StageRun {
        private final Stage.Group group;
        private final List<Integer> fed;
        private final List<Segment.Step> indexing;
        private final Set<Dim> riskyDims = new LinkedHashSet<>();
        private final ReferenceCountedCache.Lease<OnnxSession> lease;
        private final List<OtherWay> otherWays;

        Group(
                OnnxBackend backend,
                Segment segment,
                Schedule.Call call,
                Stage.Group group,
                @Nullable OnnxHandle[] weights) {
            super(backend, segment, call);
            this.group = group;
            Map<Integer, OnnxHandle> constants = new HashMap<>();
            if (!backend.splitsProducts()) {
                for (int slot : group.inputs()) {
                    if (weights[slot] != null) {
                        constants.put(slot, weight(weights, slot));
                    }
                }
            }
            fed = group.inputs().stream()
                    .filter(slot -> !constants.containsKey(slot))
                    .toList();
            indexing = group.steps().stream()
                    .filter(step -> StageDivision.indices(step) >= 0)
                    .toList();
            for (Segment.Step step : group.steps()) {
                if (!EmptyTensors.isSafe(step.op())) {
                    step.inputs()
                            .forEach(slot -> riskyDims.addAll(List.of(type(slot).dims())));
                    step.outputs()
                            .forEach(slot -> riskyDims.addAll(List.of(type(slot).dims())));
                }
            }
            // With constants in it, a group serves this segment only.
            lease = backend.sessions()
                    .acquire(
                            List.of(gpu(), constants.isEmpty() ? Stages.key(segment, group) : List.of(segment, group)),
                            key -> new OnnxSession(
                                    backend.runtime(),
                                    Stages.model(
                                            segment,
                                            group,
                                            constants,
                                            Stages.Way.PLAIN,
                                            Stages.describe(segment, group)),
                                    gpu()));
            otherWays = backend.splitsProducts() ? OtherWay.of(backend, segment, group, outputs()) : List.of();
        }

        @Override
        void compute(Slots slots, Sizes sizes) {
            for (Segment.Step step : indexing) {
                long size = sizes.size(type(step.inputs().get(0)).dim(step.op().indexedAxis()));
                Bounds.check(step.op(), slots.get(StageDivision.indices(step)).inPlace(), size);
            }
            if (riskyDims.stream().anyMatch(dim -> sizes.size(dim) <= 0)) {
                stepByStep(slots);
                return;
            }
            OnnxSession chosen = lease.value();
            List<Integer> given = group.outputs();
            for (OtherWay other : otherWays) {
                if (other.isFor(sizes)) {
                    chosen = other.session();
                    given = outputs();
                    break;
                }
            }
            Map<String, OnnxHandle> results = new HashMap<>();
            for (int slot : outputs()) {
                String name = chosen.outputs().get(given.indexOf(slot));
                results.put(name, allocate(slot, slots, sizes));
            }
            chosen.run(slots.get(fed), results);
        }

        // Something has no elements: each operation by itself, where that is taken care of.
        private void stepByStep(Slots slots) {
            Set<Integer> within = new LinkedHashSet<>();
            for (Segment.Step step : group.steps()) {
                List<TensorHandle> in = new ArrayList<>(slots.get(step.inputs()));
                List<TensorHandle> out = backend().execute(step.op(), in);
                for (int i = 0; i < out.size(); i++) {
                    slots.put(step.outputs().get(i), (OnnxHandle) out.get(i));
                    within.add(step.outputs().get(i));
                }
            }
            within.removeAll(outputs());
            within.forEach(slots::free);
        }

        @Override
        void close() {
            lease.close();
            otherWays.forEach(OtherWay::close);
        }
    }

    /** A group's other session, for some sizes: made when the first of them come. */
    private static final class OtherWay {
        private final OnnxBackend backend;
        private final Segment segment;
        private final Stage.Group group;
        private final Stages.Way way;
        private final Predicate<Sizes> sizes;
        private final Object key;
        private final AtomicReference<ReferenceCountedCache.@Nullable Lease<OnnxSession>> lease =
                new AtomicReference<>();

        private OtherWay(
                OnnxBackend backend, Segment segment, Stage.Group group, Stages.Way way, Predicate<Sizes> sizes) {
            this.backend = backend;
            this.segment = segment;
            this.group = group;
            this.way = way;
            this.sizes = sizes;
            this.key = List.of(way, Stages.key(segment, group));
        }

        static List<OtherWay> of(OnnxBackend backend, Segment segment, Stage.Group group, List<Integer> outputs) {
            Stage.Group asked = new Stage.Group(group.inputs(), outputs, group.steps());
            List<OtherWay> ways = new ArrayList<>();
            List<TensorType> masks = new BlockedAttention(segment, group.steps(), outputs).masks();
            if (!masks.isEmpty()) {
                ways.add(new OtherWay(
                        backend,
                        segment,
                        asked,
                        Stages.Way.BLOCKS,
                        sizes -> masks.stream()
                                .allMatch(mask ->
                                        BlockedAttention.pays(sizes.size(mask.dim(-2)), sizes.size(mask.dim(-1))))));
            }
            Set<Dim> ones = new OneQueryProducts(segment, group.steps(), outputs).ones();
            if (!ones.isEmpty()) {
                ways.add(new OtherWay(
                        backend,
                        segment,
                        asked,
                        Stages.Way.ONE_QUERY,
                        sizes -> ones.stream().allMatch(dim -> sizes.size(dim) == 1)));
            }
            return ways;
        }

        boolean isFor(Sizes run) {
            return sizes.test(run);
        }

        OnnxSession session() {
            ReferenceCountedCache.Lease<OnnxSession> known = lease.get();
            if (known == null) {
                String what = Stages.describe(segment, group);
                known = backend.sessions()
                        .acquire(
                                key,
                                same -> new OnnxSession(
                                        backend.runtime(), Stages.model(segment, group, Map.of(), way, what), -1));
                if (!lease.compareAndSet(null, known)) {
                    // Another thread has it too: of the same session.
                    known.close();
                }
            }
            return known.value();
        }

        void close() {
            ReferenceCountedCache.Lease<OnnxSession> last = lease.getAndSet(null);
            if (last != null) {
                last.close();
            }
        }
    }
}
