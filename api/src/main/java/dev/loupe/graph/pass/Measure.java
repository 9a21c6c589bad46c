package dev.loupe.graph.pass;

import dev.loupe.graph.Expr;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.Value;
import org.apiguardian.api.API;

/**
 * Adds an output: a function of another output and of whatever else the graph has. It stands in a region of its own, at
 * the other output's place, so that the regions of the model stay what they are.
 *
 * @param output name of the new output, and of its region
 * @param of name of the output that the function is applied to; it costs nothing if the function doesn't read it
 * @param function what is measured
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Measure(String output, String of, GraphFunction function) implements Pass {

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the graph has no output to apply the function to
     */
    @Override
    public Graph apply(Graph graph) {
        Value measured = graph.outputs().get(of);
        if (measured == null) {
            throw new IllegalArgumentException(
                    "'" + output + "' is a function of '" + of + "', which this run's graph doesn't have; it has "
                            + graph.outputs().keySet());
        }
        Rewriter rewriter = Rewriter.copy(graph, (old, to) -> to.copy(old));
        rewriter.copyOutputs();
        rewriter.copyShortcuts();
        GraphBuilder builder = rewriter.builder().beside(graph.homeOf(measured.region()), output);
        Expr result = function.apply(new Expr(builder, rewriter.get(measured)), new GraphScope(builder));
        if (result.builder() != builder) {
            throw new IllegalArgumentException("The function '" + output + "' returned a value of another graph");
        }
        return builder.output(output, result.value()).build();
    }
}
