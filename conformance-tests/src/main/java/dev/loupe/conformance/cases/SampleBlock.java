package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.graph.Decompositions;
import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/**
 * One transformer block as the planner would hand it over: norm, grouped attention with a mask, gated MLP. Every
 * intermediate value may be asked for.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class SampleBlock {

    public static final int WIDTH = 24;
    private static final int DEPTH = 6;
    private static final int HIDDEN = 31;

    private final DType type;
    private final int heads;
    private final int keyValueHeads;
    private final Segment segment;
    private final Map<String, Shape> weightShapes = new LinkedHashMap<>();

    /** With four heads, two of keys and values. */
    public SampleBlock(DType type) {
        this(type, 4, 2);
    }

    /**
     * A block.
     *
     * @param heads heads of queries
     * @param keyValueHeads heads of keys and values
     */
    public SampleBlock(DType type, int heads, int keyValueHeads) {
        this.type = type;
        this.heads = heads;
        this.keyValueHeads = keyValueHeads;
        GraphBuilder b = new GraphBuilder().region("blocks.0");
        Dim batch = Dim.symbol("batch");
        Dim pos = Dim.symbol("pos");
        Value x = b.input("x", type, batch, pos, Dim.of(WIDTH));
        Value mask = b.input("mask", DType.BOOL, batch, Dim.of(1), pos, pos);
        Value normal = b.apply(new Op.LayerNorm(1e-5), x, weight(b, "ln1.w", WIDTH), weight(b, "ln1.b", WIDTH));
        Value q = b.split(project(b, normal, "Q", heads * DEPTH), 2, heads, DEPTH);
        Value k = b.split(project(b, normal, "K", keyValueHeads * DEPTH), 2, keyValueHeads, DEPTH);
        Value v = b.split(project(b, normal, "V", keyValueHeads * DEPTH), 2, keyValueHeads, DEPTH);
        Value raw = Decompositions.attentionScores(b, q, k);
        Value scaled = b.mul(raw, b.scalar(1 / Math.sqrt(DEPTH), raw));
        Value scores = b.where(mask, scaled, b.scalar(Double.NEGATIVE_INFINITY, raw));
        Value z = Decompositions.weightedValues(b, b.softmax(scores, -1), v);
        Value attention = project(b, b.merge(z, 2, 2), "O", WIDTH);
        Value middle = b.add(x, attention);
        Value second = b.apply(new Op.RmsNorm(1e-6), middle, weight(b, "ln2.w", WIDTH));
        Value gate = b.apply(new Op.Activation(Op.ActivationKind.SILU), project(b, second, "gate", HIDDEN));
        Value hidden = b.mul(gate, project(b, second, "in", HIDDEN));
        Value out = b.add(middle, project(b, hidden, "out", WIDTH));
        segment = segment(b, out);
    }

    private Value weight(GraphBuilder b, String name, long... sizes) {
        weightShapes.put(name, Shape.of(sizes));
        return b.weight(name, type, sizes);
    }

    private Value project(GraphBuilder b, Value x, String name, int to) {
        long from = x.type().dim(-1).value();
        return b.apply(new Op.Linear(), x, weight(b, "W_" + name, from, to), weight(b, "b_" + name, to));
    }

    private static Segment segment(GraphBuilder builder, Value last) {
        List<Value> values = builder.build().values();
        List<Integer> inputs = new ArrayList<>();
        List<Segment.WeightSlot> weights = new ArrayList<>();
        List<Segment.Step> steps = new ArrayList<>();
        List<Integer> outputs = new ArrayList<>();
        for (Value value : values) {
            if (value.source() instanceof Value.Input) {
                inputs.add(value.id());
            } else if (value.source() instanceof Value.Weight weight) {
                weights.add(new Segment.WeightSlot(value.id(), weight.name()));
            } else if (value.source() instanceof Value.Result result) {
                List<Integer> from = result.inputs().stream().map(Value::id).toList();
                steps.add(new Segment.Step(result.op(), from, List.of(value.id())));
                if (value.type().rank() > 0) {
                    outputs.add(value.id());
                }
            }
        }
        if (!outputs.contains(last.id())) {
            throw new IllegalStateException("The block's result is not among its outputs");
        }
        return new Segment(
                "blocks.0",
                new Placement(0, 1),
                true,
                values.stream().map(Value::type).toList(),
                inputs,
                weights,
                steps,
                outputs);
    }

    /** The segment, with every intermediate among its outputs; the last output is the block's result. */
    public Segment segment() {
        return segment;
    }

    /** The slot of the block's result. */
    public int result() {
        return segment.outputs().get(segment.outputs().size() - 1);
    }

    /** Random weights. */
    public Map<String, HostTensor> weights(SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        weightShapes.forEach((name, shape) -> {
            HostTensor weight = inputs.normal(shape.toArray());
            HostTensor scaled = HostTensor.allocate(type, shape);
            for (int i = 0; i < shape.elements(); i++) {
                double number = weight.getDouble(i);
                scaled.setDouble(i, name.startsWith("ln") ? 1 + 0.2 * number : 0.3 * number);
            }
            weights.put(name, scaled);
        });
        return weights;
    }

    /** Inputs: a residual stream and a causal mask whose first key is hidden in the last row of the batch. */
    public List<HostTensor> inputs(SplittableRandom random, int batch, int pos) {
        HostTensor mask = HostTensor.allocate(DType.BOOL, Shape.of(batch, 1, pos, pos));
        for (int i = 0; i < mask.shape().elements(); i++) {
            int key = i % pos;
            int query = i / pos % pos;
            boolean hidden = i / pos / pos == batch - 1 && batch > 1 && key == 0;
            mask.setDouble(i, key <= query && !hidden ? 1 : 0);
        }
        return List.of(new Inputs(random, type).normal(batch, pos, WIDTH), mask);
    }

    /** The same block, prepared for the reference in float64. */
    public SampleBlock wide() {
        return new SampleBlock(DType.FLOAT64, heads, keyValueHeads);
    }
}
