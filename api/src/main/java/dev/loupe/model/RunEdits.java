package dev.loupe.model;

import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.pass.Change;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookContext;
import dev.loupe.hook.HookFunction;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** What happens at the hook points of a run, on the way forward and on the way back, and the running of hooks there. */
final class RunEdits {

    private final InterventionCompiler compiler;
    private final PointEdits forward;
    private final PointEdits backward;

    RunEdits(InterventionCompiler compiler, Graph graph) {
        this.compiler = compiler;
        this.forward = new PointEdits(compiler, graph);
        this.backward = new PointEdits(compiler, graph);
    }

    /** The numbers of interventions, which are inputs of the graph: by name, to be freed after the run. */
    Map<String, Tensor> feeds() {
        return compiler.feeds();
    }

    boolean changesForward() {
        return !forward.isEmpty();
    }

    boolean changesBackward() {
        return !backward.isEmpty();
    }

    Map<String, List<Change>> forward() {
        return forward.changes();
    }

    Map<String, List<Change>> backward() {
        return backward.changes();
    }

    /**
     * Takes what stands on the model, and then what the request brings.
     *
     * @throws IllegalArgumentException if something that the request brings could do nothing in this run
     */
    void add(RunRequest request, List<Edit> modelHooks, HookNames names, RunSpan span) {
        boolean differentiates = request.metric().isPresent();
        for (Edit edit : modelHooks) {
            for (HookPoint point : edit.points().select(names)) {
                // Backward hooks that stand on the model wait for a run that has a backward part.
                if (span.passes(point) && (differentiates || !isBackward(edit))) {
                    (isBackward(edit) ? backward : forward).add(edit, point);
                }
            }
        }
        for (Edit edit : request.edits()) {
            if (isBackward(edit) && !differentiates) {
                throw new IllegalArgumentException(
                        "The backward hook at " + edit.points()
                                + " could not fire: the run differentiates nothing. Ask for derivatives with gradients(metric)");
            }
            List<HookPoint> points = edit.points().select(names);
            List<HookPoint> passed = points.stream().filter(span::passes).toList();
            if (passed.isEmpty() || (edit.points().byName() && passed.size() < points.size())) {
                List<HookPoint> missed = new ArrayList<>(points);
                missed.removeAll(passed);
                throw new IllegalArgumentException(
                        missed.isEmpty()
                                ? "The hook at " + edit.points() + " matches no hook point"
                                : "The hook at " + missed + " could not fire: the run goes " + span.inWords());
            }
            passed.forEach(point -> (isBackward(edit) ? backward : forward).add(edit, point));
        }
    }

    private static boolean isBackward(Edit edit) {
        return edit instanceof Hook hook && hook.isBackward();
    }

    /** Runs the hooks that stand together at a point, or at the derivative of one. */
    Tensor apply(HookPoint point, int number, Tensor activation, HookContext context) {
        HookPoint differentiated = backward.pointOfGradient(point);
        return differentiated == null
                ? apply(forward.code(point, number), point, activation, context)
                : apply(backward.code(differentiated, number), differentiated, activation, context);
    }

    private static Tensor apply(List<HookFunction> functions, HookPoint point, Tensor activation, HookContext context) {
        Tensor current = activation;
        for (HookFunction function : functions) {
            Tensor next;
            try {
                next = function.apply(current, point, context);
            } catch (RuntimeException | Error e) {
                e.addSuppressed(new HookFailure("thrown by a hook at " + point));
                throw e;
            }
            if (next == null) {
                continue;
            }
            next.requireOn(current.backend(), "What a hook at " + point + " returned");
            if (next.dtype() != current.dtype() || !next.shape().equals(current.shape())) {
                throw new IllegalArgumentException("A hook at " + point + " returned " + next.describe()
                        + "; it must return " + activation.describe() + ", or null to keep the activation");
            }
            current = next;
        }
        return current;
    }

    /** Whether something was thrown by a hook. */
    static boolean isFromHook(Throwable thrown) {
        return Arrays.stream(thrown.getSuppressed()).anyMatch(HookFailure.class::isInstance);
    }

    /** Rides along with what a hook threw and says where. */
    private static final class HookFailure extends RuntimeException {
        private static final long serialVersionUID = 1L;

        HookFailure(String message) {
            super(message, null, false, false);
        }
    }
}
