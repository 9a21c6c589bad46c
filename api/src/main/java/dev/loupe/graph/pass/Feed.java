package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Feeds values into hook points: at each of them a new graph input of the point's name takes the place of what would
 * enter. What the old value was made from is left for {@link Keep} to drop.
 *
 * @param points full names of hook points; names that the graph doesn't have are passed over
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Feed(Set<String> points) implements Pass {

    /** Copies the set. */
    public Feed {
        points = Set.copyOf(points);
    }

    @Override
    public Graph apply(Graph graph) {
        if (points.isEmpty()) {
            return graph;
        }
        Rewriter rewriter = Rewriter.copy(graph, (old, to) -> {
            if (old.source() instanceof Value.Hooked hooked
                    && points.contains(hooked.point().name())) {
                Value fed = to.builder()
                        .input(
                                hooked.point().name(),
                                old.type().dtype(),
                                old.type().dims());
                return to.builder().hook(hooked.point(), fed);
            }
            return to.copy(old);
        });
        rewriter.copyOutputs();
        // A value that was fed is not what a way round its point would give.
        graph.shortcuts().stream()
                .filter(shortcut -> shortcut.bypassed().stream().noneMatch(points::contains))
                .forEach(rewriter::copyShortcut);
        return rewriter.builder().build();
    }
}
