package dev.loupe.model;

import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Change;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFunction;
import dev.loupe.hook.Intervention;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What happens at each point of a run, in order: functions of the graph, and Java code between them. */
final class PointEdits {
    private final InterventionCompiler compiler;
    private final Graph graph;
    private final Map<String, List<Change>> changes = new LinkedHashMap<>();
    private final Map<String, List<List<HookFunction>>> code = new HashMap<>();
    private final Map<String, HookPoint> points = new HashMap<>();

    PointEdits(InterventionCompiler compiler, Graph graph) {
        this.compiler = compiler;
        this.graph = graph;
    }

    void add(Edit edit, HookPoint point) {
        GraphFunction function = null;
        if (edit instanceof Intervention intervention) {
            Value value = Objects.requireNonNull(graph.hooks().get(point.name()));
            function = compiler.compile(intervention, point, value.type());
            if (function == null) {
                return;
            }
        }
        List<Change> list = changes.computeIfAbsent(point.name(), key -> new ArrayList<>());
        points.put(HookPoint.gradientOf(point.name()), point);
        if (function != null) {
            list.add(new Change.Function(function));
        } else if (edit instanceof Hook hook) {
            List<List<HookFunction>> pieces = code.computeIfAbsent(point.name(), key -> new ArrayList<>());
            // Hooks that follow one another run as one piece.
            if (list.isEmpty() || !(list.get(list.size() - 1) instanceof Change.Code)) {
                list.add(new Change.Code(pieces.size()));
                pieces.add(new ArrayList<>());
            }
            pieces.get(pieces.size() - 1).add(hook.function());
        }
    }

    boolean isEmpty() {
        return changes.isEmpty();
    }

    Map<String, List<Change>> changes() {
        return changes;
    }

    /** The point to which a point of the backward part belongs, if anything happens there; otherwise null. */
    @Nullable
    HookPoint pointOfGradient(HookPoint gradient) {
        return points.get(gradient.name());
    }

    List<HookFunction> code(HookPoint point, int number) {
        return code.getOrDefault(point.name(), List.of()).get(number);
    }
}
