package dev.loupe.analysis.attribution;

import dev.loupe.graph.HookNames;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The parts of a model between which there are edges, where they write and read, and in which order. Attention of a layer is
 * stage 2·layer, its MLP 2·layer + 1; side by side they don't read each other.
 */
final class ModelParts {

    /**
     * A hook point at which parts write or read.
     *
     * @param names of the parts, one for each head where it has heads
     * @param heads whether it is [batch, pos, head, d_model], else [batch, pos, d_model]
     * @param norm the scope of a norm that what is written goes through before the residual stream; null for none
     */
    record PartsAtPoint(
            String point,
            List<String> names,
            boolean heads,
            int stage,
            @Nullable String norm) {}

    private static final String INPUT = "input";
    private static final String LOGITS = "logits";

    private final HookedTransformer model;
    private final List<PartsAtPoint> writing = new ArrayList<>();
    private final List<PartsAtPoint> reading = new ArrayList<>();

    ModelParts(HookedTransformer model) {
        this.model = model;
        HookNames names = model.hookNames();
        writing.add(new PartsAtPoint(names.resolve("resid_pre", 0).name(), List.of(INPUT), false, -1, null));
        int layers = model.config().nLayers();
        for (int layer = 0; layer < layers; layer++) {
            String block = "blocks." + layer + ".";
            boolean normAfter = model.config().block(layer).norms().after();
            boolean parallel = model.config().block(layer).parallel();
            List<String> heads = heads(layer, model.config().nHeads(), "");
            writing.add(new PartsAtPoint(
                    block + "attn.hook_result", heads, true, 2 * layer, normAfter ? block + "ln1_post" : null));
            for (String kind : List.of("q", "k", "v")) {
                int count = kind.equals("q")
                        ? model.config().nHeads()
                        : model.config().nKeyValueHeads();
                List<String> readers = heads(layer, count, "<" + kind + ">");
                reading.add(new PartsAtPoint(block + "hook_" + kind + "_input", readers, true, 2 * layer, null));
            }
            if (names.has(block + "hook_mlp_out")) {
                List<String> mlp = List.of("m" + layer);
                writing.add(new PartsAtPoint(block + "hook_mlp_out", mlp, false, 2 * layer + 1, null));
                reading.add(new PartsAtPoint(
                        block + "hook_mlp_in", mlp, false, parallel ? 2 * layer : 2 * layer + 1, null));
            }
        }
        reading.add(new PartsAtPoint(names.resolve("resid_post", -1).name(), List.of(LOGITS), false, 2 * layers, null));
    }

    private static List<String> heads(int layer, int count, String end) {
        List<String> names = new ArrayList<>();
        for (int head = 0; head < count; head++) {
            names.add("a" + layer + ".h" + head + end);
        }
        return List.copyOf(names);
    }

    /** Where parts write, in the order of the writers. */
    List<PartsAtPoint> writing() {
        return writing;
    }

    /** Where parts read, in the order of the readers. */
    List<PartsAtPoint> reading() {
        return reading;
    }

    List<String> writers() {
        return names(writing);
    }

    List<String> readers() {
        return names(reading);
    }

    private static List<String> names(List<PartsAtPoint> sites) {
        return sites.stream().flatMap(site -> site.names().stream()).toList();
    }

    /** The points that {@link #writes} needs. */
    Set<String> written() {
        Set<String> points = new LinkedHashSet<>(List.of("hook_embed"));
        writing.stream()
                .flatMap(site -> site.norm() == null
                        ? Stream.of(site.point())
                        : Stream.of(site.point(), site.norm() + ".hook_scale"))
                .forEach(points::add);
        return points;
    }

    /** The points whose derivatives {@link #reads} needs. */
    Set<String> read() {
        Set<String> points = new LinkedHashSet<>();
        reading.forEach(site -> points.add(site.point()));
        return points;
    }

    /** What the parts of a site add to the residual stream, [batch, pos, part, d_model]. */
    Tensor added(PartsAtPoint site, ActivationCache cache) {
        Tensor activation = cache.get(site.point());
        if (site.norm() != null) {
            activation = activation
                    .div(cache.get(site.norm() + ".hook_scale").unsqueeze(2))
                    .mul(model.weight(site.norm() + ".w"));
        }
        return site.heads() ? activation : activation.unsqueeze(2);
    }

    /** What each writer writes, [writer, batch·pos·d_model]. */
    Tensor writes(ActivationCache cache) {
        return Tensor.concat(
                0, writing.stream().map(site -> rows(added(site, cache))).toList());
    }

    /** The derivative at each reader's own input, [reader, batch·pos·d_model]. */
    Tensor reads(GradientCache gradients) {
        return Tensor.concat(
                0,
                reading.stream()
                        .map(site -> {
                            Tensor gradient = gradients.get(site.point());
                            return rows(site.heads() ? gradient : gradient.unsqueeze(2));
                        })
                        .toList());
    }

    /** Parts become rows: [batch, pos, part, d_model] → [part, …]. */
    private static Tensor rows(Tensor activation) {
        return activation.permute(2, 0, 1, 3).reshape(activation.size(2), -1);
    }

    /** 1 where the reader comes after the writer, [writer, reader]. */
    Tensor edges() {
        int width = readers().size();
        float[] mask = new float[writers().size() * width];
        int row = 0;
        for (PartsAtPoint writer : writing) {
            for (int i = 0; i < writer.names().size(); i++, row++) {
                int column = 0;
                for (PartsAtPoint reader : reading) {
                    for (int j = 0; j < reader.names().size(); j++, column++) {
                        mask[row * width + column] = writer.stage() < reader.stage() ? 1 : 0;
                    }
                }
            }
        }
        return model.tensors().of(mask, writers().size(), width).to(model.dtype());
    }
}
