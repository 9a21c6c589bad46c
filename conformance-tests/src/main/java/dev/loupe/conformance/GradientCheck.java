package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segments;
import dev.loupe.backend.WholeGraph;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Gradients;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * An operation whose derivative is looked at: its floating-point outputs, each times a weight, are added up to a scalar,
 * which is differentiated with respect to every floating-point input.
 */
final class GradientCheck {

    private static final String SCALAR = "scalar";

    private final Graph graph;
    private final Set<String> points = new LinkedHashSet<>();
    private final List<HostTensor> fed;

    private GradientCheck(Graph graph, List<HostTensor> fed) {
        this.graph = graph;
        this.fed = fed;
        points.addAll(graph.hooks().keySet());
    }

    /** The check of a case. The weights of the outputs are normal numbers. */
    static GradientCheck of(OpCase one, Inputs random) {
        return of(one, one.inputTypes(), random);
    }

    /** The same, with the types that the graph is to have, which may be symbolic. */
    static GradientCheck of(OpCase one, List<TensorType> types, Inputs random) {
        List<HostTensor> fed = new ArrayList<>(one.inputs());
        GraphBuilder b = new GraphBuilder().region("op");
        List<Value> operands = new ArrayList<>();
        for (int i = 0; i < types.size(); i++) {
            TensorType type = types.get(i);
            Value input = b.input(inputName(i), type.dtype(), type.dims());
            operands.add(type.dtype().isFloating() ? b.hook("x" + i, input) : input);
        }
        List<TensorType> outputs = one.op().infer(one.inputTypes());
        List<Value> results = b.applyAll(one.op(), operands);
        Value total = null;
        for (int i = 0; i < results.size(); i++) {
            Value result = results.get(i);
            if (result.type().dtype().isFloating()) {
                Value weight = b.input(
                        inputName(fed.size()), result.type().dtype(), result.type().dims());
                fed.add(random.normal(outputs.get(i).shape().toArray()));
                Value part = sum(b, b.mul(result, weight));
                total = total == null ? part : b.add(total, part);
            }
        }
        if (total == null) {
            throw new IllegalArgumentException(one.op() + " gives no floating-point numbers to differentiate");
        }
        b.output(SCALAR, total);
        return new GradientCheck(b.build(), fed);
    }

    private static Value sum(GraphBuilder b, Value x) {
        List<Integer> axes = IntStream.range(0, x.type().rank()).boxed().toList();
        return axes.isEmpty() ? x : b.apply(new Op.Reduce(Op.ReduceKind.SUM, axes, false), x);
    }

    private static String inputName(int number) {
        return "input" + number;
    }

    /** Numbers of the inputs whose derivatives are looked at. */
    List<Integer> inputs() {
        return points.stream().map(point -> Integer.parseInt(point.substring(1))).toList();
    }

    /** The derivatives with respect to {@link #inputs}, in their order. */
    List<HostTensor> gradients(Backend backend, DType type) {
        Graph with = new Gradients(SCALAR, points, false).apply(graph);
        Set<String> observed = new LinkedHashSet<>();
        points.forEach(point -> observed.add(graph.hooks().get(point).source() instanceof Value.Hooked hooked
                ? hooked.point().gradient().name()
                : point));
        WholeGraph whole = WholeGraph.of(with, observed, Set.of());
        // One value may be the derivative with respect to several inputs.
        List<Integer> slots =
                whole.observed().values().stream().distinct().toList();
        List<HostTensor> results = run(backend, whole, fed, type, slots);
        return observed.stream()
                .map(name -> results.get(slots.indexOf(whole.observed().get(name))))
                .toList();
    }

    /** The scalar, with one input replaced. */
    double scalar(Backend backend, int input, HostTensor replaced) {
        List<HostTensor> given = new ArrayList<>(fed);
        given.set(input, replaced);
        WholeGraph whole = WholeGraph.of(graph, Set.of(), Set.of(SCALAR));
        return run(backend, whole, given, DType.FLOAT64, List.of(whole.outputs().get(SCALAR)))
                .get(0)
                .getDouble(0);
    }

    private static List<HostTensor> run(
            Backend backend, WholeGraph whole, List<HostTensor> fed, DType type, List<Integer> wanted) {
        List<HostTensor> inputs = new ArrayList<>();
        for (int slot : whole.segment().inputs()) {
            whole.inputs().forEach((name, place) -> {
                if (place == slot) {
                    HostTensor one = fed.get(Integer.parseInt(name.substring("input".length())));
                    inputs.add(one.dtype().isFloating() ? one.to(type) : one);
                }
            });
        }
        try (PreparedGraph prepared = backend.prepare(whole.segment(), Segments.NO_WEIGHTS)) {
            return OnBackend.run(backend, prepared, inputs, wanted);
        }
    }
}
