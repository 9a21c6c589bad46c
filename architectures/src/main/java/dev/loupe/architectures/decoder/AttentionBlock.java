package dev.loupe.architectures.decoder;

import static dev.loupe.architecture.StandardNames.BATCH;
import static dev.loupe.architecture.StandardNames.PAST;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Decompositions;
import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import org.jspecify.annotations.Nullable;

/** The attention of one block, from the residual stream to {@code hook_attn_out}. */
final class AttentionBlock {

    private static final Axis[] SQUARE = {Axis.BATCH, Axis.HEAD, Axis.QUERY, Axis.KEY};

    private final DecoderParts parts;
    private final GraphBuilder b;
    private final TransformerConfig config;
    private final BlockSpec spec;
    private final int layer;
    private final AttentionMask mask;
    private final RotaryAngles angles;
    private final @Nullable ScoreBias bias;

    AttentionBlock(DecoderParts parts, int layer, @Nullable ScoreBias bias) {
        this.parts = parts;
        this.b = parts.builder();
        this.config = parts.config();
        this.spec = parts.config().block(layer);
        this.layer = layer;
        this.mask = parts.mask(layer);
        this.angles = parts.angles(layer);
        this.bias = bias;
    }

    private static Axis[] ofHeads(Axis heads, Axis last) {
        return new Axis[] {Axis.BATCH, Axis.POS, heads, last};
    }

    private String name(String part) {
        return DecoderWeights.inBlock(layer, part);
    }

    Value build(Value residual) {
        int heads = config.nHeads();
        int kvHeads = config.nKeyValueHeads();
        Value copies = b.optionalHook(
                name("hook_attn_in"), b.expand(b.unsqueeze(residual, 2), 2, heads), ofHeads(Axis.HEAD, Axis.D_MODEL));
        Value groups = heads == kvHeads ? copies : meanOverGroups(copies);
        Value queryInput = b.optionalHook(name("hook_q_input"), copies, ofHeads(Axis.HEAD, Axis.D_MODEL));
        Value keyInput = b.optionalHook(name("hook_k_input"), groups, ofHeads(Axis.KV_HEAD, Axis.D_MODEL));
        Value valueInput = b.optionalHook(name("hook_v_input"), groups, ofHeads(Axis.KV_HEAD, Axis.D_MODEL));
        Value x = parts.normalizeBefore(layer, "ln1", residual);
        Value q = heads("Q", "attn.hook_q", queryInput, x, heads, Axis.HEAD);
        Value k = heads("K", "attn.hook_k", keyInput, x, kvHeads, Axis.KV_HEAD);
        Value v = heads("V", "attn.hook_v", valueInput, x, kvHeads, Axis.KV_HEAD);
        if (parts.options().keyValueCache()) {
            k = extend(StandardNames.pastKeys(layer), k, StandardNames.keys(layer));
            v = extend(StandardNames.pastValues(layer), v, StandardNames.values(layer));
        }
        if (spec.queryKeyNorms()) {
            q = ofEachHead("attn.q_norm", q, Axis.HEAD);
            k = ofEachHead("attn.k_norm", k, Axis.KV_HEAD);
        }
        q = angles.rotateQueries(b, q, name("attn.hook_rot_q"));
        k = angles.rotateKeys(b, k, name("attn.hook_rot_k"));
        return output(b.hook(name("attn.hook_z"), attend(q, k, v), ofHeads(Axis.HEAD, Axis.D_HEAD)));
    }

    private Value ofEachHead(String norm, Value x, Axis heads) {
        return parts.withParameters(name(norm), parts.normalize(name(norm), x, ofHeads(heads, Axis.D_HEAD)));
    }

    // A key/value head that serves a group of query heads reads what its group reads. While nobody edits,
    // these are equal copies, whose mean is the residual stream.
    private Value meanOverGroups(Value copies) {
        int kvHeads = config.nKeyValueHeads();
        Value grouped = b.split(copies, 2, kvHeads, config.nHeads() / kvHeads);
        return b.reduceAndDrop(Op.ReduceKind.MEAN, grouped, 3);
    }

    /**
     * Queries, keys or values of all heads. On the full way each head reads its own input through its own
     * norm; unless somebody edits these inputs, one norm and one product do for all heads.
     *
     * @param input what each head reads, {@code [batch, pos, count, d_model]}
     * @param normalized what all heads read, {@code [batch, pos, d_model]}
     * @return {@code [batch, pos, count, d_head]}
     */
    private Value heads(String matrix, String hookName, Value input, Value normalized, int count, Axis kind) {
        int width = config.dHead();
        Value own = b.transpose(spec.norms().before() ? parts.plainNorm(name("ln1"), input) : input, 0, 2, 1, 3);
        Value perHead = b.transpose(b.split(parts.weight(name("attn.W_" + matrix)), 1, count, width), 1, 0, 2);
        Value separate = b.transpose(b.matmul(own, perHead), 0, 2, 1, 3);
        if (parts.hasWeight(name("attn.b_" + matrix))) {
            separate = b.add(separate, b.split(parts.weight(name("attn.b_" + matrix)), 0, count, width));
        }
        Value joint = b.split(parts.project(normalized, name("attn."), matrix), 2, count, width);
        return b.hook(
                name(hookName),
                b.shortcut(separate, joint, Shortcut.Kind.DETOUR_UNLESS_EDITED),
                ofHeads(kind, Axis.D_HEAD));
    }

    private Value extend(String pastName, Value fresh, String outputName) {
        Dim kvHeads = Dim.of(config.nKeyValueHeads());
        Value past = b.input(pastName, parts.options().dtype(), BATCH, PAST, kvHeads, Dim.of(config.dHead()));
        Value all = b.concat(1, past, fresh);
        b.output(outputName, all);
        return all;
    }

    private Value attend(Value q, Value k, Value v) {
        double scale = 1 / spec.attnScale();
        Value raw = Decompositions.attentionScores(b, q, k);
        Value scaled = parts.softCapped(b.mul(raw, b.scalar(scale, raw)), spec.scoreSoftCap());
        Value biased = bias == null ? scaled : b.add(scaled, bias.build(parts, layer));
        Value masked = b.where(mask.allowed(), biased, b.scalar(Double.NEGATIVE_INFINITY, biased));
        Value scores = b.hook(name("attn.hook_attn_scores"), masked, SQUARE);
        Value pattern = b.hook(name("attn.hook_pattern"), b.softmax(scores, -1), SQUARE);
        Value full = Decompositions.weightedValues(b, pattern, v);
        // Fused attention knows neither caps nor biases.
        if (spec.scoreSoftCap() != null || bias != null) {
            return full;
        }
        Value fused = b.apply(new Op.Attention(scale), q, k, v, mask.allowed());
        return b.shortcut(full, fused, Shortcut.Kind.FUSION);
    }

    private Value output(Value z) {
        Value perHead = b.split(parts.weight(name("attn.W_O")), 0, config.nHeads(), config.dHead());
        Value products = b.transpose(b.matmul(b.transpose(z, 0, 2, 1, 3), perHead), 0, 2, 1, 3);
        Value results = b.optionalHook(name("attn.hook_result"), products, ofHeads(Axis.HEAD, Axis.D_MODEL));
        Value sum = b.reduceAndDrop(Op.ReduceKind.SUM, results, 2);
        if (parts.hasWeight(name("attn.b_O"))) {
            sum = b.add(sum, parts.weight(name("attn.b_O")));
        }
        Value joint = parts.project(b.merge(z, 2, 2), name("attn."), "O");
        Value written = b.shortcut(sum, joint, Shortcut.Kind.DETOUR_UNLESS_TOUCHED);
        return b.hook(
                name("hook_attn_out"),
                parts.normalizeAfter(layer, "ln1_post", written),
                Axis.BATCH,
                Axis.POS,
                Axis.D_MODEL);
    }
}
