package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segments;
import dev.loupe.backend.WholeGraph;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * An operation whose derivative is looked at: its floating-point outputs, each times a weight, are added up to a scalar,
 * which is differentiated with respect to every floating-point input.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class GradientCheck {

    private static final String SCALAR = "scalar";

    private final OpCase one;
    private final List<TensorType> types;
    private final List<HostTensor> fed;

    private GradientCheck(OpCase one, List<TensorType> types, List<HostTensor> fed) {
        this.one = one;
        this.types = types;
        this.fed = fed;
    }

    /** The check of a case whose outputs are added up as they are. */
    public static GradientCheck unweighted(OpCase one) {
        List<HostTensor> fed = new ArrayList<>(one.inputs());
        for (TensorType output : one.op().infer(one.inputTypes())) {
            if (output.dtype().isFloating()) {
                double[] ones = new double[(int) output.shape().elements()];
                Arrays.fill(ones, 1);
                fed.add(HostTensor.of(output.shape(), ones));
            }
        }
        return new GradientCheck(one, one.inputTypes(), fed);
    }

    /** The check of a case. The weights of the outputs are normal numbers. */
    public static GradientCheck of(OpCase one, Inputs random) {
        return of(one, one.inputTypes(), random);
    }

    /** The same, with the types that the graph is to have, which may be symbolic. */
    public static GradientCheck of(OpCase one, List<TensorType> types, Inputs random) {
        List<HostTensor> fed = new ArrayList<>(one.inputs());
        for (TensorType output : one.op().infer(one.inputTypes())) {
            if (output.dtype().isFloating()) {
                fed.add(random.normal(output.shape().toArray()));
            }
        }
        if (fed.size() == one.inputs().size()) {
            throw new IllegalArgumentException(one.op() + " gives no floating-point numbers to differentiate");
        }
        return new GradientCheck(one, types, fed);
    }

    private Graph graph(DType floating) {
        GraphBuilder b = new GraphBuilder().region("op");
        List<Value> operands = new ArrayList<>();
        for (int i = 0; i < types.size(); i++) {
            TensorType type = types.get(i);
            boolean isFloating = type.dtype().isFloating();
            Value input = b.input(inputName(i), isFloating ? floating : type.dtype(), type.dims());
            operands.add(isFloating ? b.hook(pointName(i), input) : input);
        }
        int inputs = types.size();
        Value total = null;
        for (Value result : b.applyAll(one.op(), operands)) {
            if (result.type().dtype().isFloating()) {
                Value weight =
                        b.input(inputName(inputs++), floating, result.type().dims());
                Value part = sum(b, b.mul(result, weight));
                total = total == null ? part : b.add(total, part);
            }
        }
        return b.output(SCALAR, Objects.requireNonNull(total)).build();
    }

    private static Value sum(GraphBuilder b, Value x) {
        List<Integer> axes = IntStream.range(0, x.type().rank()).boxed().toList();
        return axes.isEmpty() ? x : b.apply(new Op.Reduce(Op.ReduceKind.SUM, axes, false), x);
    }

    private static String inputName(int number) {
        return "input" + number;
    }

    private static String pointName(int number) {
        return "x" + number;
    }

    /** Numbers of the inputs whose derivatives are looked at. */
    public List<Integer> inputs() {
        return IntStream.range(0, types.size())
                .filter(i -> types.get(i).dtype().isFloating())
                .boxed()
                .toList();
    }

    /**
     * The derivatives with respect to {@link #inputs}, in their order.
     *
     * @param type what is computed in
     * @param numbers the type to which what is fed is rounded first
     */
    public List<HostTensor> gradients(Backend backend, DType type, DType numbers) {
        return gradients(backend, type, numbers, UnaryOperator.identity());
    }

    /** The same from a graph to which something was done. */
    public List<HostTensor> gradients(Backend backend, DType type, DType numbers, UnaryOperator<Graph> change) {
        List<String> points = inputs().stream().map(GradientCheck::pointName).toList();
        Graph with = change.apply(new Gradients(SCALAR, Set.copyOf(points), false).apply(graph(type)));
        List<String> wanted = points.stream().map(HookPoint::gradientOf).toList();
        WholeGraph whole = WholeGraph.of(with, Set.copyOf(wanted), Set.of());
        // One value may be the derivative with respect to several inputs.
        List<Integer> slots = whole.observed().values().stream().distinct().toList();
        List<HostTensor> rounded = fed.stream()
                .map(tensor -> tensor.dtype().isFloating() ? tensor.to(numbers) : tensor)
                .toList();
        List<HostTensor> results = run(backend, whole, rounded, type, slots);
        return wanted.stream()
                .map(name -> results.get(slots.indexOf(whole.observed().get(name))))
                .toList();
    }

    /** The scalar, with one input replaced. */
    public double scalar(Backend backend, int input, HostTensor replaced) {
        List<HostTensor> given = new ArrayList<>(fed);
        given.set(input, replaced);
        WholeGraph whole = WholeGraph.of(graph(DType.FLOAT64), Set.of(), Set.of(SCALAR));
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
