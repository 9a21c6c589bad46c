package dev.loupe.architectures.decoder;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Decompositions;
import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What the parts of a decoder share: the builder, the settings, inputs, weights by name, projections and norms. Handed
 * to every {@link BlockPart}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DecoderParts {

    private final GraphBuilder builder;
    private final TransformerConfig config;
    private final GraphOptions options;
    private final Map<String, Shape> shapes;
    private final Map<String, Value> inputs = new HashMap<>();
    // Blocks of one kind share a mask and the angles by which they rotate.
    private final Map<Optional<Integer>, AttentionMask> masks = new LinkedHashMap<>();
    private final Map<Optional<TransformerConfig.Rotary>, RotaryAngles> angles = new LinkedHashMap<>();

    DecoderParts(GraphBuilder builder, TransformerConfig config, GraphOptions options) {
        this.builder = builder;
        this.config = config;
        this.options = options;
        this.shapes = DecoderWeights.shapes(config);
    }

    /** The builder of the graph. */
    public GraphBuilder builder() {
        return builder;
    }

    /** The model's config. */
    public TransformerConfig config() {
        return config;
    }

    /** What the graph is built for. */
    public GraphOptions options() {
        return options;
    }

    /** Builds what blocks share, before any of them. */
    void prepare() {
        for (BlockSpec spec : config.blocks()) {
            masks.computeIfAbsent(
                    Optional.ofNullable(spec.window()), window -> AttentionMask.build(this, window.orElse(null)));
            angles.computeIfAbsent(
                    Optional.ofNullable(spec.rotary()),
                    rotary -> rotary.map(settings -> RotaryAngles.build(this, settings, angles.size()))
                            .orElse(RotaryAngles.NONE));
        }
    }

    AttentionMask mask(int layer) {
        return Objects.requireNonNull(
                masks.get(Optional.ofNullable(config.block(layer).window())));
    }

    RotaryAngles angles(int layer) {
        return Objects.requireNonNull(
                angles.get(Optional.ofNullable(config.block(layer).rotary())));
    }

    /** Which keys each query of a layer may look at: real ones, not later ones, within its window; bool {@code [batch, 1, pos, keys]}. */
    public Value allowedKeys(int layer) {
        return mask(layer).allowed();
    }

    /** An input, declared when it is first used: a graph asks for nothing that it doesn't need. */
    public Value input(String name, DType dtype, Dim... dims) {
        return inputs.computeIfAbsent(name, missing -> builder.input(missing, dtype, dims));
    }

    /** Token ids, int64 {@code [batch, pos]}. */
    public Value tokens() {
        return input(StandardNames.TOKENS, DType.INT64, StandardNames.BATCH, StandardNames.POS);
    }

    /** False at padding, bool {@code [batch, pos]}. */
    public Value tokenMask() {
        return input(StandardNames.TOKEN_MASK, DType.BOOL, StandardNames.BATCH, StandardNames.POS);
    }

    /** Positions of the new tokens, int64 {@code [batch, pos]}. */
    public Value positions() {
        return input(StandardNames.POSITIONS, DType.INT64, StandardNames.BATCH, StandardNames.POS);
    }

    /** Positions of all keys, int64 {@code [batch, keys]}: those of the key/value cache, if there is one, come first. */
    public Value keyPositions() {
        return options.keyValueCache()
                ? input(StandardNames.KEY_POSITIONS, DType.INT64, StandardNames.BATCH, keyCount())
                : positions();
    }

    /** How many keys a query may see: the new positions, after those of the key/value cache if there is one. */
    public Dim keyCount() {
        return options.keyValueCache() ? StandardNames.PAST.plus(StandardNames.POS) : StandardNames.POS;
    }

    /** Whether a decoder with this config has a weight of that name, see {@link DecoderWeights}. */
    public boolean hasWeight(String name) {
        return shapes.containsKey(name);
    }

    /**
     * A weight of the graph, see {@link DecoderWeights}.
     *
     * @throws IllegalStateException if a decoder with this config has none of that name
     */
    public Value weight(String name) {
        Shape shape = shapes.get(name);
        if (shape == null) {
            throw new IllegalStateException("A decoder with this config has no weight '" + name + "'");
        }
        return builder.weight(name, options.dtype(), shape.toArray());
    }

    /** {@code x·W (+ b)}: all heads, or the whole MLP, in one product. */
    public Value project(Value x, String prefix, String name) {
        Value matrix = weight(prefix + "W_" + name);
        return hasWeight(prefix + "b_" + name)
                ? builder.linear(x, matrix, weight(prefix + "b_" + name))
                : builder.matmul(x, matrix);
    }

    /**
     * A norm with its hook points, before weight and bias. Its statistics are computed in at least 32 bits:
     * squares of a residual stream are beyond the range of float16, and beyond the precision of bfloat16.
     *
     * @param scope where the hook points and the parameters are: {@code blocks.0.ln1}
     * @return what leaves {@code hook_normalized}
     */
    public Value normalize(String scope, Value input) {
        return normalize(scope, input, Axis.BATCH, Axis.POS, Axis.D_MODEL);
    }

    /** As {@link #normalize(String, Value)}, of an activation with other axes. */
    public Value normalize(String scope, Value input, Axis... axes) {
        GraphBuilder b = builder;
        DType dtype = options.dtype();
        boolean centres = config.normalization().centres();
        Value x = b.cast(input, wideType());
        Value spread = centres ? b.sub(x, b.reduce(Op.ReduceKind.MEAN, x, -1)) : x;
        Value root = Decompositions.rootMeanSquare(b, spread, config.eps());
        Value scale = b.cast(b.hook(scope + ".hook_scale", b.cast(root, dtype), ofSingle(axes)), wideType());
        Op fused = centres ? new Op.LayerNorm(config.eps()) : new Op.RmsNorm(config.eps());
        Value normalized = b.shortcut(b.div(spread, scale), b.apply(fused, x), Shortcut.Kind.FUSION);
        return b.hook(scope + ".hook_normalized", b.cast(normalized, dtype), axes);
    }

    private static Axis[] ofSingle(Axis... axes) {
        Axis[] single = axes.clone();
        single[single.length - 1] = Axis.SINGLE;
        return single;
    }

    /** A norm before attention or MLP, hook points and parameters included; the value itself if there is none. */
    public Value normalizeBefore(int layer, String scope, Value entering) {
        if (!config.block(layer).norms().before()) {
            return entering;
        }
        String name = DecoderWeights.inBlock(layer, scope);
        return withParameters(name, normalize(name, entering));
    }

    /** A norm behind attention or MLP, hook points and parameters included; the value itself if there is none. */
    public Value normalizeAfter(int layer, String scope, Value written) {
        if (!config.block(layer).norms().after()) {
            return written;
        }
        String name = DecoderWeights.inBlock(layer, scope);
        return withParameters(name, normalize(name, written));
    }

    /** {@code cap·tanh(x/cap)}; the value itself if there is no cap. */
    public Value softCapped(Value x, @Nullable Double cap) {
        if (cap == null) {
            return x;
        }
        Value bounded = builder.unary(Op.UnaryKind.TANH, builder.mul(x, builder.scalar(1 / cap, x)));
        return builder.mul(bounded, builder.scalar(cap, x));
    }

    /** What readers of a norm see: the normalised value times the weight plus the bias, unless they are folded. */
    public Value withParameters(String scope, Value normalized) {
        if (!hasWeight(scope + ".w")) {
            return normalized;
        }
        Value scaled = builder.mul(normalized, weight(scope + ".w"));
        return hasWeight(scope + ".b") ? builder.add(scaled, weight(scope + ".b")) : scaled;
    }

    /** The whole norm, parameters included, without hook points. */
    Value plainNorm(String scope, Value x) {
        Op norm = config.normalization().centres() ? new Op.LayerNorm(config.eps()) : new Op.RmsNorm(config.eps());
        Value normalized = builder.apply(norm, builder.cast(x, wideType()));
        return withParameters(scope, builder.cast(normalized, options.dtype()));
    }

    /** The type in which angles, statistics of norms and losses are computed: never narrower than float32. */
    public DType wideType() {
        return options.dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }
}
