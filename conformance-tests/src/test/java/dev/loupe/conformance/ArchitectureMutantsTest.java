package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Rewriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kit finds what is wrong with an architecture: one fault in its graphs, one rule that is about it. */
class ArchitectureMutantsTest {

    @TempDir
    private static Path checkpoint;

    @TempDir
    private Path reports;

    /** A fault, the rule that must fail, and what its message must name. */
    private record Mutant(String name, String rule, String word, BiFunction<Graph, GraphOptions, Rewriter.Rule> fault) {
        /** The rule, or those of its tests in which nothing else is edited and weights are as they are. */
        String path() {
            return rule.equals("7.18") ? "7.18/raw" : rule;
        }

        @Override
        public String toString() {
            return name + " fails at " + rule;
        }
    }

    /** The kit on the mutant. */
    static final class Kit extends ArchitectureConformanceKit {
        @Override
        protected ArchitectureProvider provider() {
            return new MutantArchitecture();
        }

        @Override
        protected Path goldens() {
            return checkpoint;
        }
    }

    @BeforeAll
    static void renameTheFamily() throws IOException {
        Path llama = Fixtures.directory(Fixtures.LLAMA);
        Files.copy(llama.resolve("model.safetensors"), checkpoint.resolve("model.safetensors"));
        Files.copy(Fixtures.golden(Fixtures.LLAMA), checkpoint.resolve("golden.safetensors"));
        String config = Files.readString(llama.resolve("config.json"));
        Files.writeString(
                checkpoint.resolve("config.json"),
                config.replaceAll(
                        "\"model_type\"\\s*:\\s*\"llama\"", "\"model_type\": \"" + MutantArchitecture.ID + "\""));
    }

    /** How a value at a hook point is made wrong. */
    @FunctionalInterface
    private interface Change {
        Value of(GraphBuilder builder, Value input, Rewriter to);
    }

    /** What flows on is another value than the one at the point. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> behind(String point, Change change) {
        return (graph, options) -> (old, to) -> {
            Value copy = to.copy(old);
            return isAt(old, point) ? change.of(to.builder(), copy, to) : copy;
        };
    }

    /** What is at the point, and flows on, is another value. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> before(String point, Change change) {
        return (graph, options) -> (old, to) -> {
            if (!isAt(old, point)) {
                return to.copy(old);
            }
            Value.Hooked hooked = (Value.Hooked) old.source();
            Value changed = change.of(to.builder(), to.get(hooked.input()), to);
            return to.builder().hook(hooked.point(), changed);
        };
    }

    /** A little of what stands at other positions is added: of those after each, or before it. */
    private static Change mixed(boolean after) {
        return (builder, input, to) -> builder.add(
                input, builder.mul(builder.apply(new Op.CumSum(1, after), input), builder.scalar(0.05, input)));
    }

    /** What the tokens were embedded as is added once more, past the residual stream. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> embeddedAgain() {
        return (graph, options) -> (old, to) -> {
            Value copy = to.copy(old);
            return old.source() instanceof Value.Hooked hooked
                            && hooked.point().name().equals("blocks.1.hook_mlp_out")
                    ? to.builder()
                            .add(
                                    copy,
                                    to.get(java.util.Objects.requireNonNull(
                                            graph.hooks().get("hook_embed"))))
                    : copy;
        };
    }

    /** The point shows another value than the one that flows on. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> shown(String point, Change change) {
        return (graph, options) -> (old, to) -> {
            if (!isAt(old, point)) {
                return to.copy(old);
            }
            Value.Hooked hooked = (Value.Hooked) old.source();
            Value sound = to.get(hooked.input());
            to.builder().hook(hooked.point(), change.of(to.builder(), sound, to));
            return sound;
        };
    }

    /** A change that shows what another point of the same block had. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> shows(String point, String other) {
        return (graph, options) -> (old, to) -> {
            if (!isAt(old, point)) {
                return to.copy(old);
            }
            Value.Hooked hooked = (Value.Hooked) old.source();
            String block =
                    hooked.point().name().substring(0, hooked.point().name().length() - point.length());
            to.builder()
                    .hook(
                            hooked.point(),
                            to.get(java.util.Objects.requireNonNull(
                                    graph.hooks().get(block + other))));
            return to.get(hooked.input());
        };
    }

    private static boolean isAt(Value value, String point) {
        return value.source() instanceof Value.Hooked hooked
                && hooked.point().name().matches("blocks\\.\\d+\\." + point.replace(".", "\\."));
    }

    private static Change scaled(double factor) {
        return (builder, input, to) -> builder.mul(input, builder.scalar(factor, input));
    }

    /** The heads in the opposite order. */
    private static Value turned(GraphBuilder builder, Value input) {
        long heads = input.type().dim(2).value();
        Value[] parts = new Value[(int) heads];
        for (int i = 0; i < heads; i++) {
            parts[i] = builder.slice(input, 2, heads - 1 - i, heads - i);
        }
        return builder.concat(2, parts);
    }

    /** An output of the graph, changed. */
    private static BiFunction<Graph, GraphOptions, Rewriter.Rule> output(String name, Change change) {
        return (graph, options) -> (old, to) -> {
            Value copy = to.copy(old);
            return old == graph.outputs().get(name) ? change.of(to.builder(), copy, to) : copy;
        };
    }

    /** Rows are picked by other indices than those that were asked for. */
    private static Rewriter.Rule picks(GraphOptions options, Change change) {
        return (old, to) -> {
            Value copy = to.copy(old);
            boolean chosen = options.selectPositions()
                    && old.source() instanceof Value.Input input
                    && input.name().equals(StandardNames.SELECTED_POSITIONS);
            return chosen ? change.of(to.builder(), copy, to) : copy;
        };
    }

    static Stream<Mutant> mutants() {
        return Stream.of(
                new Mutant(
                        "the first rows instead of those chosen",
                        "7.16",
                        "the logits at",
                        (graph, options) -> picks(options, (builder, input, to) -> builder.sub(input, input))),
                new Mutant(
                        "each row before the one chosen",
                        "7.16",
                        "the logits at",
                        (graph, options) -> picks(
                                options,
                                (builder, input, to) -> builder.unary(
                                        Op.UnaryKind.RELU, builder.sub(input, builder.scalar(1, input))))),
                new Mutant(
                        "a loss in bits",
                        "7.17",
                        "the loss of each token",
                        output(StandardNames.LOSS_PER_TOKEN, scaled(1 / Math.log(2)))),
                new Mutant(
                        "a loss with its sign turned",
                        "7.17",
                        "the loss of each token",
                        output(StandardNames.LOSS_PER_TOKEN, scaled(-1))),
                new Mutant(
                        "a loss that counts padding",
                        "7.17",
                        "the loss of each token",
                        output(
                                StandardNames.LOSS_PER_TOKEN,
                                (builder, input, to) -> builder.add(input, builder.scalar(0.01, input)))),
                new Mutant(
                        "mid without attention", "7.18", "hook_resid_mid", shows("hook_resid_mid", "hook_resid_pre")),
                new Mutant(
                        "post without the MLP", "7.18", "hook_resid_post", shows("hook_resid_post", "hook_resid_mid")),
                new Mutant("attention added twice", "7.18", "hook_resid_mid", behind("hook_attn_out", scaled(2))),
                new Mutant("the MLP added by half", "7.18", "hook_resid_post", behind("hook_mlp_out", scaled(0.5))),
                new Mutant(
                        "a scale that isn't divided by",
                        "7.18",
                        "hook_normalized",
                        shown("ln1.hook_scale", scaled(1.1))),
                new Mutant(
                        "normalized before it is",
                        "7.18",
                        "ln2.hook_normalized",
                        shows("ln2.hook_normalized", "hook_resid_mid")),
                new Mutant("queries shown unrotated", "7.18", "hook_rot_q", shows("attn.hook_rot_q", "attn.hook_q")),
                new Mutant("keys shown unrotated", "7.18", "hook_rot_k", shows("attn.hook_rot_k", "attn.hook_k")),
                new Mutant(
                        "the pattern before the softmax",
                        "7.18",
                        "hook_pattern",
                        shows("attn.hook_pattern", "attn.hook_attn_scores")),
                new Mutant(
                        "scores before the mask",
                        "7.18",
                        "hook_attn_scores",
                        shown(
                                "attn.hook_attn_scores",
                                (builder, input, to) -> builder.unary(Op.UnaryKind.RELU, input))),
                new Mutant(
                        "a pattern that is sharpened",
                        "7.18",
                        "hook_pattern",
                        behind("attn.hook_attn_scores", scaled(2))),
                new Mutant("values scaled after the hook", "7.18", "hook_z", behind("attn.hook_v", scaled(2))),
                new Mutant(
                        "heads in the opposite order",
                        "7.18",
                        "hook_z",
                        shown("attn.hook_z", (builder, input, to) -> turned(builder, input))),
                new Mutant("queries a hundredth too large", "7.7", "logits", before("attn.hook_q", scaled(1.01))),
                new Mutant(
                        "later tokens mixed in",
                        "7.8",
                        "the logits before position",
                        behind("hook_attn_out", mixed(true))),
                new Mutant(
                        "padding before it mixed in",
                        "7.9",
                        "the logits of row",
                        // What attention writes at padding is zero where it sees nothing: the MLP writes something.
                        behind("hook_mlp_out", mixed(false))),
                new Mutant(
                        "a past that isn't in the cache",
                        "7.10",
                        "the logits of positions",
                        behind("hook_attn_out", mixed(false))),
                new Mutant(
                        "an edit that leads nowhere",
                        "7.12",
                        "hook_mlp_out",
                        shown("hook_mlp_out", (builder, input, to) -> input)),
                new Mutant(
                        "a full way that isn't the short one",
                        "7.13",
                        "the full way",
                        behind("attn.hook_result", scaled(1.1))),
                new Mutant("a way past the residual stream", "7.14", "a run from layer", embeddedAgain()),
                new Mutant("results of heads scaled", "7.18", "hook_attn_out", shown("attn.hook_result", scaled(2))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mutants")
    void aMutantFailsAtTheRuleThatIsAboutIt(Mutant mutant) {
        MutantArchitecture.inflict(mutant.fault());
        KitRun run = KitRun.of(Kit.class, mutant.path(), reports);
        assertThat(run.failures)
                .as("failures among the tests of rule %s", mutant.rule())
                .isNotEmpty()
                .allSatisfy(failure -> assertThat(failure).contains("Rule " + mutant.rule() + " ", "intent:"))
                .anySatisfy(failure -> assertThat(failure).contains(mutant.word()));
    }

    @Test
    void aMutantWithoutAFaultPasses() {
        KitRun run = KitRun.of(Kit.class, "7.7,7.8,7.9,7.10,7.12,7.13,7.14,7.16,7.17,7.18", reports);
        assertThat(run.failures).isEmpty();
        assertThat(run.passed).hasSizeGreaterThan(10);
    }

    @AfterEach
    void cureTheMutant() {
        MutantArchitecture.inflict(MutantArchitecture.NONE);
    }
}
