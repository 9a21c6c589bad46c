package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Rotary;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.ArchitectureBench;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * Section 7, third part: what standard hook points have to do with each other, and with what the config says; on the
 * reference backend in float64. Points that a family doesn't have are left out.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ArchitectureIdentityRules {

    private static final double ROUNDING = 1e-9;

    private final ArchitectureBench bench;

    public ArchitectureIdentityRules(ArchitectureBench bench) {
        this.bench = bench;
    }

    @Rule("7.16")
    void logitsAtChosenPositionsAreThoseRowsOfAll(Attempt attempt) {
        HookedTransformer model = bench.raw();
        Tokens tokens = bench.goldens().tokens();
        int last = tokens.positions() - 1;
        try (Tensor all = model.forward(tokens)) {
            attempt.each(
                    List.of(
                            new int[] {last},
                            new int[] {0, last / 2},
                            IntStream.rangeClosed(0, last).toArray()),
                    Arrays::toString,
                    chosen -> {
                        try (RunResult some =
                                model.run(RunRequest.of(tokens).logitsAt(chosen).build())) {
                            long[] rows = Arrays.stream(chosen).asLongStream().toArray();
                            near("the logits at " + Arrays.toString(chosen), some.logits(), all.pick(1, rows));
                        }
                    });
        }
    }

    @Rule("7.17")
    Stream<Trial> theLossOfATokenIsItsNegativeLogProbability() {
        return Stream.of(true, false)
                .map(left -> new Trial(left ? "padded left" : "padded right", attempt -> {
                    HookedTransformer model = bench.raw();
                    long[] whole = bench.goldens().tokens().realTokens(0);
                    Tokens tokens = Tokens.pad(
                            List.of(whole, Arrays.copyOf(whole, whole.length / 2)),
                            model.config().dVocab() - 1,
                            left);
                    HostTensor logarithms = model.forward(tokens).logSoftmax(-1).toHost();
                    HostTensor losses = model.lossPerToken(tokens).toHost();
                    int vocabulary = model.config().dVocab();
                    int width = tokens.positions() - 1;
                    double[] expected = new double[tokens.batch() * width];
                    for (int row = 0; row < tokens.batch(); row++) {
                        for (int at = 0; at < width; at++) {
                            int place = (row * tokens.positions() + at) * vocabulary + (int) tokens.id(row, at + 1);
                            boolean real = tokens.isReal(row, at) && tokens.isReal(row, at + 1);
                            expected[row * width + at] = real ? -logarithms.getDouble(place) : 0;
                        }
                    }
                    HostTensor wanted = HostTensor.of(losses.shape(), expected);
                    near(
                            "the loss of each token",
                            model.tensors().of(losses),
                            model.tensors().of(wanted));
                }));
    }

    @Rule("7.18")
    Stream<Trial> standardPointsFollowFromEachOther() {
        List<String> edited =
                List.of("", "attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_pattern", "ln1.hook_scale");
        return Stream.of(true, false)
                .filter(raw -> raw || bench.provider().supportsProcessing())
                .flatMap(raw -> edited.stream()
                        .map(point -> new Trial(
                                (raw ? "raw" : "processed") + (point.isEmpty() ? "" : ", " + point + " edited"),
                                attempt -> holds(raw ? bench.raw() : bench.processed(), point, attempt))));
    }

    /** Whether the identities hold in a run in which a point of each block is changed. */
    private void holds(HookedTransformer model, String edited, Attempt attempt) {
        List<Hook> hooks = new ArrayList<>();
        for (int layer = 0; layer < model.config().nLayers() && !edited.isEmpty(); layer++) {
            String point = "blocks." + layer + "." + edited;
            if (model.hookNames().has(point)) {
                hooks.add(Traces.disturbing(point, layer));
            }
        }
        RunRequest request = RunRequest.of(bench.goldens().tokens())
                .observe(HookFilter.everything())
                .hooks(hooks)
                .build();
        try (RunResult result = model.run(request)) {
            List<Integer> layers =
                    IntStream.range(0, model.config().nLayers()).boxed().toList();
            attempt.each(
                    layers,
                    layer -> "layer " + layer,
                    layer -> new Block(model, result.cache(), layer, edited)
                            .check(bench.goldens().tokens()));
        }
    }

    /** One block's activations, and what must be true of them unless the one on the left was edited. */
    private record Block(HookedTransformer model, ActivationCache cache, int layer, String edited) {

        void check(Tokens tokens) {
            TransformerConfig config = model.config();
            BlockSpec spec = config.block(layer);
            boolean between = spec.mlp() != BlockSpec.Mlp.NONE && !spec.parallel();
            if (between) {
                is(
                        "hook_resid_mid",
                        "resid_pre + attn_out",
                        () -> at("hook_resid_pre").add(at("hook_attn_out")));
            }
            is("hook_resid_post", "what came in and what was written", () -> {
                Tensor in =
                        between ? at("hook_resid_mid") : at("hook_resid_pre").add(at("hook_attn_out"));
                return spec.mlp() == BlockSpec.Mlp.NONE ? in : in.add(at("hook_mlp_out"));
            });
            normalized("ln1", "hook_resid_pre");
            normalized("ln2", "hook_mlp_in");
            normalized("attn.q_norm", "attn.hook_q");
            normalized("attn.k_norm", "attn.hook_k");
            rotated("attn.hook_rot_q", "attn.hook_q", "attn.q_norm", spec, tokens);
            rotated("attn.hook_rot_k", "attn.hook_k", "attn.k_norm", spec, tokens);
            masked(spec, tokens);
            is(
                    "attn.hook_pattern",
                    "softmax(scores)",
                    () -> at("attn.hook_attn_scores").softmax(-1));
            int group = config.nHeads() / config.nKeyValueHeads();
            is("attn.hook_z", "pattern · v", () -> {
                Tensor values = at("attn.hook_v").permute(0, 2, 1, 3);
                long[] heads = IntStream.range(0, config.nHeads())
                        .mapToLong(head -> head / group)
                        .toArray();
                return at("attn.hook_pattern").matmul(values.pick(1, heads)).permute(0, 2, 1, 3);
            });
            written(
                    "hook_attn_out",
                    "ln1_post",
                    "Σ result + b_O",
                    () -> at("attn.hook_result").sum(2).add(model.b_O().select(0, layer)));
        }

        /** What attention wrote, or what the norm behind it made of that. */
        private void written(String point, String norm, String what, Supplier<Tensor> sum) {
            if (!has(norm + ".hook_normalized")) {
                is(point, what, sum);
                return;
            }
            Tensor spread = centred(sum.get());
            is(norm + ".hook_normalized", "(" + what + ") / scale", () -> spread.div(at(norm + ".hook_scale")));
            is(point, "normalized · w", () -> withParameters(norm));
        }

        private void normalized(String norm, String input) {
            if (has(norm + ".hook_scale")) {
                is(
                        norm + ".hook_normalized",
                        input + " / scale",
                        () -> centred(at(input)).div(at(norm + ".hook_scale")));
            }
        }

        private Tensor centred(Tensor x) {
            return model.config().normalization().centres() ? x.sub(x.mean(-1).reshape(withLastOne(x))) : x;
        }

        private static long[] withLastOne(Tensor x) {
            long[] sizes = x.shape().toArray();
            sizes[sizes.length - 1] = 1;
            return sizes;
        }

        private Tensor withParameters(String norm) {
            Tensor value = at(norm + ".hook_normalized");
            String weight = name(norm + ".w");
            String bias = name(norm + ".b");
            Tensor scaled = model.weightNames().contains(weight) ? value.mul(model.weight(weight)) : value;
            return model.weightNames().contains(bias) ? scaled.add(model.weight(bias)) : scaled;
        }

        /** Pairs of a head's entries, half of what is rotated apart, turned by their position's angle. */
        private void rotated(String point, String input, String norm, BlockSpec spec, Tokens tokens) {
            Rotary rotary = spec.rotary();
            if (rotary == null || !has(point)) {
                return;
            }
            is(point, "rotate(" + input + ")", () -> {
                Tensor x = has(norm + ".hook_normalized") ? withParameters(norm) : at(input);
                long half = rotary.dims() / 2;
                Tensor first = x.slice(-1, 0, half);
                Tensor second = x.slice(-1, half, 2 * half);
                double[] angles = angles(rotary, tokens);
                Tensor turn = model.tensors().of(angles, tokens.batch(), tokens.positions(), 1, half);
                Tensor cos = turn.cos().mul(rotary.attentionScaling());
                Tensor sin = turn.sin().mul(rotary.attentionScaling());
                return Tensor.concat(
                        -1,
                        first.mul(cos).sub(second.mul(sin)),
                        second.mul(cos).add(first.mul(sin)),
                        x.slice(-1, 2 * half, x.size(-1)));
            });
        }

        private static double[] angles(Rotary rotary, Tokens tokens) {
            double[] frequencies = rotary.inverseFrequencies();
            double[] angles = new double[tokens.batch() * tokens.positions() * frequencies.length];
            int next = 0;
            for (int row = 0; row < tokens.batch(); row++) {
                int position = -1;
                for (int at = 0; at < tokens.positions(); at++) {
                    position += tokens.isReal(row, at) ? 1 : 0;
                    for (double frequency : frequencies) {
                        angles[next++] = Math.max(position, 0) * frequency;
                    }
                }
            }
            return angles;
        }

        /** Scores are −∞ at keys that a query may not look at, and nowhere else. */
        private void masked(BlockSpec spec, Tokens tokens) {
            if (!has("attn.hook_attn_scores")) {
                return;
            }
            HostTensor scores = at("attn.hook_attn_scores").toHost();
            int keys = tokens.positions();
            int heads = model.config().nHeads();
            Integer window = spec.window();
            for (int i = 0; i < scores.shape().elements(); i++) {
                int key = i % keys;
                int query = i / keys % keys;
                int row = i / keys / keys / heads;
                boolean allowed = key <= query && tokens.isReal(row, key) && (window == null || key > query - window);
                assertThat(Double.isInfinite(scores.getDouble(i)))
                        .as(
                                "whether the score of query %d and key %d in row %d at %s is −∞",
                                query, key, row, name("attn.hook_attn_scores"))
                        .isEqualTo(!allowed);
            }
        }

        private void is(String point, String what, Supplier<Tensor> expected) {
            if (has(point) && !point.equals(edited)) {
                near(name(point) + " = " + what, at(point), expected.get());
            }
        }

        private boolean has(String point) {
            return cache.keys().contains(name(point));
        }

        private Tensor at(String point) {
            return cache.get(name(point));
        }

        private String name(String point) {
            return "blocks." + layer + "." + point;
        }
    }

    private static void near(String what, Tensor found, Tensor expected) {
        HostTensor wanted = expected.toHost();
        double largest = 0;
        for (int i = 0; i < wanted.shape().elements(); i++) {
            double one = Math.abs(wanted.getDouble(i));
            largest = Double.isFinite(one) ? Math.max(largest, one) : largest;
        }
        double[] allowed = new double[(int) wanted.shape().elements()];
        Arrays.fill(allowed, largest * ROUNDING);
        assertThat(found.shape()).as("the shape of " + what).isEqualTo(wanted.shape());
        Comparison.of(found.toHost(), wanted, allowed).check(what);
    }
}
