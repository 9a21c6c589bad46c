package dev.loupe.architectures.decoder;

import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiFunction;
import org.apiguardian.api.API;

/** The activation functions of Hugging Face transformers, under the names that its configs use. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ActivationFunctions {

    private static final Map<String, BiFunction<GraphBuilder, Value, Value>> BY_NAME = new TreeMap<>();

    static {
        for (String tanhApproximation :
                new String[] {"gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"}) {
            BY_NAME.put(tanhApproximation, composite(Op.ActivationKind.GELU_TANH));
        }
        BY_NAME.put("gelu", composite(Op.ActivationKind.GELU));
        BY_NAME.put("gelu_10", ActivationFunctions::clippedGelu);
        BY_NAME.put("gelu_python", composite(Op.ActivationKind.GELU));
        BY_NAME.put("quick_gelu", composite(Op.ActivationKind.QUICK_GELU));
        BY_NAME.put("silu", composite(Op.ActivationKind.SILU));
        BY_NAME.put("swish", composite(Op.ActivationKind.SILU));
        BY_NAME.put("relu", unary(Op.UnaryKind.RELU));
        BY_NAME.put("sigmoid", unary(Op.UnaryKind.SIGMOID));
        BY_NAME.put("tanh", unary(Op.UnaryKind.TANH));
        BY_NAME.put("linear", (b, x) -> x);
        BY_NAME.put("relu2", ActivationFunctions::squaredRelu);
        BY_NAME.put("relu6", ActivationFunctions::relu6);
        BY_NAME.put("leaky_relu", ActivationFunctions::leakyRelu);
        BY_NAME.put("hardswish", ActivationFunctions::hardSwish);
        BY_NAME.put("laplace", ActivationFunctions::laplace);
        BY_NAME.put("mish", ActivationFunctions::mish);
    }

    private ActivationFunctions() {}

    /** The names that are known. */
    public static Set<String> names() {
        return new TreeSet<>(BY_NAME.keySet());
    }

    /**
     * The name, if it is known.
     *
     * @param source where it was read, for the message: {@code config.json: 'hidden_act'}
     * @throws IllegalArgumentException if it is not known; lists those that are
     */
    public static String check(String name, String source) {
        function(name, source);
        return name;
    }

    /**
     * Adds an activation function to a graph.
     *
     * @throws IllegalArgumentException if it is not known; lists those that are
     */
    public static Value apply(String name, GraphBuilder builder, Value x) {
        return function(name, "The model").apply(builder, x);
    }

    private static BiFunction<GraphBuilder, Value, Value> function(String name, String source) {
        BiFunction<GraphBuilder, Value, Value> function = BY_NAME.get(name);
        if (function == null) {
            throw new IllegalArgumentException(
                    source + " asks for the activation function '" + name + "'; known are " + names());
        }
        return function;
    }

    private static BiFunction<GraphBuilder, Value, Value> composite(Op.ActivationKind kind) {
        return (b, x) -> b.apply(new Op.Activation(kind), x);
    }

    private static BiFunction<GraphBuilder, Value, Value> unary(Op.UnaryKind kind) {
        return (b, x) -> b.unary(kind, x);
    }

    private static Value clippedGelu(GraphBuilder b, Value x) {
        Value gelu = composite(Op.ActivationKind.GELU).apply(b, x);
        Value bounded = b.binary(Op.BinaryKind.MIN, gelu, b.scalar(10, gelu));
        return b.binary(Op.BinaryKind.MAX, bounded, b.scalar(-10, bounded));
    }

    // Ma et al. 2022 (MEGA): the distribution function of a normal distribution that approximates relu2.
    private static Value laplace(GraphBuilder b, Value x) {
        Value centred = b.sub(x, b.scalar(0.707107, x));
        Value error = b.unary(Op.UnaryKind.ERF, b.div(centred, b.scalar(0.282095 * Math.sqrt(2), x)));
        return b.mul(b.add(error, b.scalar(1, x)), b.scalar(0.5, x));
    }

    private static Value squaredRelu(GraphBuilder b, Value x) {
        Value positive = b.unary(Op.UnaryKind.RELU, x);
        return b.mul(positive, positive);
    }

    private static Value relu6(GraphBuilder b, Value x) {
        return b.binary(Op.BinaryKind.MIN, b.unary(Op.UnaryKind.RELU, x), b.scalar(6, x));
    }

    private static Value leakyRelu(GraphBuilder b, Value x) {
        return b.binary(Op.BinaryKind.MAX, x, b.mul(x, b.scalar(0.01, x)));
    }

    private static Value hardSwish(GraphBuilder b, Value x) {
        return b.mul(x, b.div(relu6(b, b.add(x, b.scalar(3, x))), b.scalar(6, x)));
    }

    // softplus(x) = max(x, 0) + log(1 + exp(-|x|)), which doesn't overflow.
    private static Value mish(GraphBuilder b, Value x) {
        Value decay = b.unary(Op.UnaryKind.EXP, b.unary(Op.UnaryKind.NEG, b.unary(Op.UnaryKind.ABS, x)));
        Value tail = b.unary(Op.UnaryKind.LOG, b.add(decay, b.scalar(1, x)));
        Value softplus = b.add(b.unary(Op.UnaryKind.RELU, x), tail);
        return b.mul(x, b.unary(Op.UnaryKind.TANH, softplus));
    }
}
