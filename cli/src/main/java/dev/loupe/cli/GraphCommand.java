package dev.loupe.cli;

import dev.loupe.array.Nearest;
import dev.loupe.graph.Graph;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe graph}: what a run computes, and how it came to be. */
@Command(
        name = "graph",
        mixinStandardHelpOptions = true,
        description = "Print the graph that a run computes, or the one after an earlier step of its preparation.")
final class GraphCommand implements Callable<Integer> {

    // Sizes are symbols in the graph: any tokens will do.
    private static final Tokens TOKENS = Tokens.of(new long[][] {{0, 0}});

    private static final Set<String> DERIVATIVES = Set.of("measure", "differentiate");

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(
            names = "--after",
            paramLabel = "PASS",
            description =
                    "The step to stop after: given (nothing done yet), feed, splice, measure, shortcuts, differentiate,"
                            + " keep. Default: keep, the last. measure and differentiate are there with --of.")
    private @Nullable String after;

    @Option(
            names = "--names",
            paramLabel = "GLOB[,GLOB…]",
            description = "Hook points that the run observes. Default: none, the logits alone.")
    private @Nullable String names;

    @Option(
            names = "--of",
            paramLabel = "WHAT",
            description = "What is differentiated, as for 'loupe gradients': diff:A,B, logit:A, logprob:A or loss, with"
                    + " token ids.")
    private @Nullable String of;

    @Option(names = "--stop-at-layer", paramLabel = "L", description = "The layer that the run doesn't enter any more.")
    private @Nullable Integer stopAtLayer;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        try (HookedTransformer model = options.load()) {
            Map<String, Graph> passes = model.passes(request());
            Graph graph = passes.get(after == null ? "keep" : after);
            if (graph == null) {
                if (of == null && DERIVATIVES.contains(after)) {
                    throw new ParameterException(
                            spec.commandLine(),
                            "'" + after
                                    + "' is a step of runs in which something is differentiated. Say what, with --of:"
                                    + " --of logit:5, --of diff:5,6 or --of loss");
                }
                List<String> steps = new ArrayList<>(passes.keySet());
                throw new ParameterException(
                        spec.commandLine(),
                        "This run's preparation has no step '" + after + "'; its steps are " + String.join(", ", steps)
                                + ". The nearest name is '"
                                + Nearest.to(String.valueOf(after), steps, 1).get(0) + "'");
            }
            out.print(graph);
        }
        out.flush();
        return 0;
    }

    private RunRequest request() {
        RunRequest.Builder request = RunRequest.of(TOKENS);
        HookFilter observed = names == null ? null : HookFilter.glob(names);
        if (observed != null) {
            request.observe(observed);
        }
        if (of != null) {
            request.gradients(GradientsCommand.metric("--of", of), observed == null ? HookFilter.standard() : observed);
        }
        if (stopAtLayer != null) {
            request.stopAtLayer(stopAtLayer);
        }
        return request.build();
    }
}
