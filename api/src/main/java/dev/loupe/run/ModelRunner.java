package dev.loupe.run;

import dev.loupe.backend.Answers;
import dev.loupe.backend.Backend;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Graph;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Splice;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Plans and carries out runs of graphs on one backend. Plans and prepared segments are kept, so that a second run
 * of the same kind goes straight to work. Safe for use from many threads.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ModelRunner implements AutoCloseable {

    private static final int PLANS_KEPT = 512;
    private static final int SEGMENTS_KEPT = 1024;

    private final Backend backend;
    private final WeightSource weights;
    private final ReferenceCountedCache<PlanKey, Plan> plans = new ReferenceCountedCache<>(PLANS_KEPT, plan -> {});
    private final ReferenceCountedCache<Plan.Key, PreparedGraph> prepared =
            new ReferenceCountedCache<>(SEGMENTS_KEPT, PreparedGraph::close);

    /** Graphs are the same only if they are the same object. */
    private static final class PlanKey {
        private final Graph graph;
        private final PlanRequest request;
        private final int hash;

        PlanKey(Graph graph, PlanRequest request) {
            this.graph = graph;
            this.request = request;
            this.hash = System.identityHashCode(graph) * 31 + request.hashCode();
        }

        @Override
        @SuppressWarnings("ReferenceEquality")
        public boolean equals(Object other) {
            return other instanceof PlanKey key && graph == key.graph && request.equals(key.request);
        }

        @Override
        public int hashCode() {
            return hash;
        }
    }

    /**
     * What a run gave back.
     *
     * @param observed by hook point, in the order in which the points fire
     * @param outputs by name
     */
    public record Results(Map<String, Tensor> observed, Map<String, Tensor> outputs) {}

    /** A runner for a backend and a model's weights. */
    public ModelRunner(Backend backend, WeightSource weights) {
        this.backend = backend;
        this.weights = weights;
    }

    /**
     * Runs a graph.
     *
     * @param given a tensor for the name of a graph input or a fed hook point of the request; asked only for those
     *     that the run needs
     * @param hooks runs the Java code at hook points
     * @param keeping what is kept of an observed activation, asked as soon as the run has no more need of it: the
     *     activation itself, or a copy elsewhere
     * @throws IllegalArgumentException if something is asked for that can't be computed from what is given, or if
     *     hooks change the same thing in two ways that exclude each other
     */
    public Results run(
            Graph graph,
            PlanRequest request,
            Function<String, Tensor> given,
            Hooks hooks,
            UnaryOperator<Tensor> keeping) {
        Plan plan = plan(graph, request);
        Place[] places = new Place[plan.places()];
        Map<String, Tensor> kept = new HashMap<>();
        try {
            plan.inputs().forEach((name, place) -> {
                Tensor tensor = given.apply(name);
                places[place] = new Place(tensor.handle(), tensor, true);
            });
            for (int i = 0; i < plan.actions().size(); i++) {
                Plan.Action action = plan.actions().get(i);
                if (action instanceof Plan.RunSegment run) {
                    run(run, places);
                } else if (action instanceof Plan.Callback callback) {
                    call(callback, places, hooks, plan.conflicts());
                }
                for (int place : action.freed()) {
                    free(places, place);
                }
                for (String name : plan.settled().get(i)) {
                    kept.put(
                            name,
                            keep(name, Objects.requireNonNull(plan.observed().get(name)), places, keeping));
                }
            }
            return results(plan, places, keeping, kept);
        } finally {
            // Tensors that were given are reachable from here until the run is over.
            for (int i = 0; i < places.length; i++) {
                free(places, i);
            }
        }
    }

    /** A value during a run: a bare handle, which the run frees, or a tensor, which looks after itself. */
    private static final class Place {
        private final TensorHandle handle;
        private final boolean foreign;
        private @Nullable Tensor tensor;

        /**
         * A value.
         *
         * @param foreign whether the tensor belongs to who gave it to the run, who may close it, or wants it to stay open
         */
        Place(TensorHandle handle, @Nullable Tensor tensor, boolean foreign) {
            this.handle = handle;
            this.tensor = tensor;
            this.foreign = foreign;
        }

        /** What the run hands out: never a tensor that is somebody else's. */
        Tensor handedOut(Tensor kept) {
            return foreign && kept == tensor ? ofItsOwn(kept) : kept;
        }

        /** The same numbers in the same memory, as a tensor that is closed by itself. */
        static Tensor ofItsOwn(Tensor tensor) {
            return tensor.reshape(tensor.shape().toArray());
        }

        TensorHandle handle() {
            return tensor == null ? handle : tensor.handle();
        }

        Tensor tensor(Backend backend, String label) {
            Tensor known = tensor;
            if (known == null) {
                known = Tensor.wrap(backend, handle, label);
                tensor = known;
            }
            return known;
        }
    }

    private static Place place(@Nullable Place[] places, int number) {
        Place place = places[number];
        if (place == null) {
            throw new IllegalStateException("Place " + number + " is read before it is written");
        }
        return place;
    }

    private static void free(@Nullable Place[] places, int number) {
        Place place = places[number];
        places[number] = null;
        if (place != null && place.tensor == null) {
            place.handle.close();
        }
    }

    private void run(Plan.RunSegment run, @Nullable Place[] places) {
        List<TensorHandle> inputs = new ArrayList<>(run.inputs().length);
        for (int place : run.inputs()) {
            inputs.add(place(places, place).handle());
        }
        try (ReferenceCountedCache.Lease<PreparedGraph> graph = prepared.acquire(
                run.key(), key -> Answers.of(backend, "prepare", backend.prepare(key.segment(), weights)))) {
            List<TensorHandle> outputs =
                    Answers.of(backend, "run", graph.value().run(inputs, run.wanted()), run.results().length);
            for (int i = 0; i < outputs.size(); i++) {
                places[run.results()[i]] = new Place(outputs.get(i), null, false);
            }
        } catch (UnsupportedOperationException e) {
            // A backend that can't do something, or is given indices out of range, says so; Java's own collections
            // don't.
            throw e.getMessage() == null ? Answers.failed(backend, "prepare() or run", e) : e;
        } catch (NullPointerException | ClassCastException | ArrayIndexOutOfBoundsException | ArithmeticException e) {
            throw Answers.failed(backend, "prepare() or run", e);
        }
    }

    private void call(Plan.Callback callback, @Nullable Place[] places, Hooks hooks, Map<String, String> conflicts) {
        String name = callback.point().name();
        Place from = place(places, callback.from());
        Tensor before = from.tensor(backend, name);
        Tensor after = hooks.apply(callback.point(), callback.number(), before);
        String conflict = conflicts.get(name);
        if (after != before && conflict != null) {
            throw new IllegalArgumentException(conflict);
        }
        places[callback.to()] = new Place(after.handle(), after, after != before || from.foreign);
    }

    /** What is kept of an observed value that the run has no more need of, which is freed if that is something else. */
    private Tensor keep(String name, int number, @Nullable Place[] places, UnaryOperator<Tensor> keeping) {
        Place place = place(places, number);
        boolean own = place.tensor == null;
        Tensor made = place.tensor(backend, name);
        Tensor kept = keeping.apply(made);
        if (kept != made && own) {
            made.close();
        }
        return place.handedOut(kept);
    }

    private Results results(
            Plan plan, @Nullable Place[] places, UnaryOperator<Tensor> keeping, Map<String, Tensor> kept) {
        Map<String, Tensor> observed = new LinkedHashMap<>();
        plan.observed().forEach((name, place) -> {
            Tensor result = kept.get(name);
            if (result == null) {
                Place value = place(places, place);
                result = value.handedOut(keeping.apply(value.tensor(backend, name)));
            }
            observed.put(name, result);
        });
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        plan.outputs().forEach((name, place) -> {
            Place value = place(places, place);
            Tensor output = value.tensor(backend, name);
            // Closing the logits must not close the cache's unembed.hook_out: each name gets a tensor of its own.
            boolean shared = plan.observed().containsValue(place);
            outputs.put(name, shared || value.foreign ? Place.ofItsOwn(output) : output);
        });
        return new Results(observed, outputs);
    }

    private Plan plan(Graph graph, PlanRequest request) {
        try (ReferenceCountedCache.Lease<Plan> plan =
                plans.acquire(new PlanKey(graph, request), key -> prepare(graph, request))) {
            return plan.value();
        }
    }

    private Plan prepare(Graph graph, PlanRequest request) {
        Set<String> changed = request.changes().keySet();
        Map<String, String> conflicts = Splice.conflicts(graph, request.fed(), changed);
        conflicts.forEach((point, message) -> {
            // What a function changes is lost for sure; what code does shows when it has run.
            if (request.changes().getOrDefault(point, List.of()).stream().anyMatch(Change.Function.class::isInstance)) {
                throw new IllegalArgumentException(message);
            }
        });
        Derivatives derivatives = request.derivatives();
        if (derivatives != null) {
            conflicts.putAll(derivatives.conflicts(graph));
        }
        Graph prepared = request.prepared(graph, !backend.compiles());
        return Divide.divide(prepared, request.keep(), backend.compiles(), conflicts);
    }

    /** Frees what was prepared; what runs still use, once they have ended. */
    @Override
    public void close() {
        plans.close();
        prepared.close();
    }
}
