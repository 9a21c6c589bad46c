package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.ArchitectureBench;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.Goldens;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.measures.Traces.Way;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Shortcut;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 7, second part: what models of an architecture do, on the reference backend in float64. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ArchitectureRunRules {

    /** Two ways to one value may differ by rounding in float64: parts of the largest number. */
    private static final double ROUNDING = 1e-9;

    private static final double EFFECT = 1e-6;

    private final ArchitectureBench bench;

    public ArchitectureRunRules(ArchitectureBench bench) {
        this.bench = bench;
    }

    @Rule("7.7")
    Stream<Trial> theGoldensAreMet() {
        return Stream.of(
                new Trial("logits", attempt -> {
                    Goldens goldens = bench.goldens();
                    goldens.check("the logits", logits(bench.raw(), goldens.tokens()), goldens.require("logits"));
                }),
                new Trial("left-padded", attempt -> {
                    Goldens goldens = bench.goldens();
                    if (goldens.leftPadded().isPresent()) {
                        Tokens tokens = goldens.leftPadded().get();
                        HostTensor golden = goldens.require("left_padded.logits");
                        HostTensor found = logits(bench.raw(), tokens);
                        goldens.check("the logits at real tokens", real(found, tokens), real(golden, tokens));
                    }
                }),
                new Trial("raw", attempt -> hooksAreMet("raw.", bench.raw(), attempt)),
                new Trial("processed", attempt -> {
                    if (processes()) {
                        hooksAreMet("proc.", bench.processed(), attempt);
                    }
                }));
    }

    private boolean processes() {
        return bench.provider().supportsProcessing();
    }

    private void hooksAreMet(String prefix, HookedTransformer model, Attempt attempt) {
        Goldens goldens = bench.goldens();
        Map<String, HostTensor> wanted = goldens.hooks(prefix);
        if (wanted.isEmpty()) {
            return;
        }
        Trace trace =
                Traces.run(model, goldens.tokens(), Way.PADDED_RIGHT, HookFilter.names(wanted.keySet()), List.of());
        attempt.each(
                List.copyOf(wanted.keySet()),
                name -> name,
                name -> goldens.check(prefix + name, trace.get(name), goldens.require(prefix + name)));
    }

    @Rule("7.8")
    void aTokenChangesNothingBeforeIt(Attempt attempt) {
        Tokens tokens = bench.goldens().tokens();
        HookedTransformer model = bench.raw();
        HostTensor plain = logits(model, tokens);
        for (int position = 1; position < tokens.positions(); position++) {
            long[][] ids = tokens.ids();
            for (long[] row : ids) {
                row[position] = (row[position] + 1) % model.config().dVocab();
            }
            HostTensor changed = logits(model, Tokens.of(ids, tokens.mask()));
            int at = position;
            near(
                    "the logits before position " + position + ", whose token was changed",
                    positions(changed, 0, at),
                    positions(plain, 0, at));
            assertThat(Traces.effect(positions(plain, at, at + 1), positions(changed, at, at + 1)))
                    .as("how much the logits at position %d change with its token", at)
                    .isGreaterThan(EFFECT);
        }
    }

    @Rule("7.9")
    Stream<Trial> paddingChangesNothing() {
        return Stream.of(true, false)
                .map(left -> new Trial(left ? "left" : "right", attempt -> {
                    Tokens tokens = bench.goldens().tokens();
                    HookedTransformer model = bench.raw();
                    long[] whole = tokens.realTokens(0);
                    List<long[]> rows = List.of(whole, Arrays.copyOf(whole, whole.length / 2), Arrays.copyOf(whole, 1));
                    Tokens padded = Tokens.pad(rows, model.config().dVocab() - 1, left);
                    HostTensor together = logits(model, padded);
                    for (int row = 0; row < rows.size(); row++) {
                        HostTensor alone = logits(model, Tokens.of(rows.get(row)));
                        int length = rows.get(row).length;
                        int start = left ? whole.length - length : 0;
                        near("the logits of row " + row, positions(row(together, row), start, start + length), alone);
                    }
                }));
    }

    @Rule("7.10")
    void aPromptInPiecesIsThePromptInOne(Attempt attempt) {
        HookedTransformer model = bench.raw();
        Tokens tokens = bench.goldens().tokens();
        HostTensor whole = logits(model, tokens);
        int end = tokens.positions();
        attempt.each(List.of(new int[] {0, 1, end}, new int[] {0, end / 2, end - 1, end}), Arrays::toString, cut -> {
            try (KeyValueCache cache = model.newKeyValueCache(tokens.batch())) {
                for (int i = 1; i < cut.length; i++) {
                    Tokens piece = Traces.part(tokens, cut[i - 1], cut[i]);
                    RunRequest request =
                            RunRequest.of(piece).keyValueCache(cache).build();
                    try (RunResult result = model.run(request)) {
                        near(
                                "the logits of positions " + cut[i - 1] + " to " + (cut[i] - 1),
                                result.logits().toHost(),
                                positions(whole, cut[i - 1], cut[i]));
                    }
                }
            }
        });
    }

    @Rule("7.11")
    void processingKeepsLogProbabilities(Attempt attempt) {
        Tokens tokens = bench.goldens().tokens();
        if (!bench.provider().supportsProcessing()) {
            Refusal.of(
                            "loading with processing, which the architecture says it doesn't support",
                            RuntimeException.class,
                            () -> bench.load(LoadOptions.defaults()).close())
                    .hasMessageContaining(bench.provider().id());
            return;
        }
        HostTensor before = logProbabilities(bench.raw(), tokens);
        HostTensor after = logProbabilities(bench.processed(), tokens);
        // Processing may round weights to float32 on the way.
        within("log-probabilities after processing", after, before, 1e-4);
    }

    private static HostTensor logProbabilities(HookedTransformer model, Tokens tokens) {
        try (Tensor logits = model.forward(tokens);
                Tensor logarithms = logits.logSoftmax(-1)) {
            return logarithms.toHost();
        }
    }

    @Rule("7.12")
    Stream<Trial> anEditAtAnyPointChangesTheLogits() {
        return Stream.of("raw", "processed")
                .filter(which -> which.equals("raw") || processes())
                .map(which -> new Trial(which, attempt -> {
                    HookedTransformer model = which.equals("raw") ? bench.raw() : bench.processed();
                    Tokens tokens = bench.goldens().tokens();
                    HostTensor plain = logits(model, tokens);
                    attempt.each(model.hookNames().points(), HookPoint::name, point -> {
                        HostTensor edited = Traces.run(
                                        model,
                                        tokens,
                                        Way.PADDED_RIGHT,
                                        HookFilter.none(),
                                        List.of(Traces.disturbing(point.name(), 7)))
                                .logits();
                        assertThat(Traces.effect(plain, edited))
                                .as("how much an edit at %s changes the logits", point)
                                .isGreaterThan(EFFECT);
                    });
                }));
    }

    @Rule("7.13")
    void bothWaysOfAShortcutGiveOneValue(Attempt attempt) {
        HookedTransformer model = bench.raw();
        Tokens tokens = bench.goldens().tokens();
        HostTensor brief = logits(model, tokens);
        List<Shortcut> shortcuts = model.graph().shortcuts();
        attempt.each(shortcuts, shortcut -> "the shortcut past " + shortcut.bypassed(), shortcut -> {
            HookFilter bypassed = HookFilter.names(shortcut.bypassed());
            HostTensor full = Traces.run(
                            model,
                            tokens,
                            Way.PADDED_RIGHT,
                            HookFilter.none(),
                            List.of(dev.loupe.hook.Hook.at(bypassed, (activation, point) -> null)))
                    .logits();
            near("the logits on the full way", full, brief);
        });
    }

    @Rule("7.14")
    void aRunMayStopAndStartAtAnyLayer(Attempt attempt) {
        HookedTransformer model = bench.raw();
        Tokens tokens = bench.goldens().tokens();
        HostTensor whole = logits(model, tokens);
        // The residual stream is all that counts, so the tokens of the second run may be others.
        long[][] ids = tokens.ids();
        for (long[] row : ids) {
            Arrays.setAll(row, i -> (row[i] + 1) % model.config().dVocab());
        }
        Tokens others = Tokens.of(ids, tokens.mask());
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            RunRequest until = RunRequest.of(tokens).stopAtLayer(layer).build();
            try (RunResult first = model.run(until);
                    RunResult second = model.run(RunRequest.of(others)
                            .startAtLayer(layer, first.residual())
                            .build())) {
                near("the logits of a run from layer " + layer, second.logits().toHost(), whole);
            }
        }
    }

    private static HostTensor logits(HookedTransformer model, Tokens tokens) {
        try (Tensor logits = model.forward(tokens)) {
            return logits.toHost();
        }
    }

    private static void near(String what, HostTensor found, HostTensor expected) {
        within(what, found, expected, ROUNDING);
    }

    private static void within(String what, HostTensor found, HostTensor expected, double part) {
        double largest = 0;
        for (int i = 0; i < expected.shape().elements(); i++) {
            largest = Math.max(largest, Math.abs(expected.getDouble(i)));
        }
        double[] allowed = new double[(int) expected.shape().elements()];
        Arrays.fill(allowed, largest * part);
        assertThat(found.shape()).as("the shape of " + what).isEqualTo(expected.shape());
        Comparison.of(found, expected, allowed).check(what);
    }

    /** Some positions of logits [batch, pos, d_vocab]. */
    private static HostTensor positions(HostTensor logits, int from, int to) {
        int all = (int) logits.shape().size(1);
        int width = (int) logits.shape().size(2);
        HostTensor part = HostTensor.allocate(logits.dtype(), logits.shape().with(1, to - from));
        int target = 0;
        for (int i = 0; i < logits.shape().elements(); i++) {
            int position = i / width % all;
            if (position >= from && position < to) {
                part.setDouble(target++, logits.getDouble(i));
            }
        }
        return part;
    }

    private static HostTensor row(HostTensor logits, int row) {
        int size = (int) (logits.shape().elements() / logits.shape().size(0));
        HostTensor part = HostTensor.allocate(logits.dtype(), logits.shape().with(0, 1));
        for (int i = 0; i < size; i++) {
            part.setDouble(i, logits.getDouble(row * size + i));
        }
        return part;
    }

    /** The logits with those at padding set to 0. */
    private static HostTensor real(HostTensor logits, Tokens tokens) {
        int width = (int) logits.shape().size(2);
        HostTensor result = HostTensor.allocate(logits.dtype(), logits.shape());
        for (int i = 0; i < logits.shape().elements(); i++) {
            int place = i / width;
            if (tokens.isReal(place / tokens.positions(), place % tokens.positions())) {
                result.setDouble(i, logits.getDouble(i));
            }
        }
        return result;
    }
}
