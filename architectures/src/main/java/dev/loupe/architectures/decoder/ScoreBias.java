package dev.loupe.architectures.decoder;

import dev.loupe.graph.Value;
import org.apiguardian.api.API;

/**
 * Something that is added to attention scores, behind their scale and soft cap and before the mask: a way of telling
 * positions apart (ALiBi, relative positions), or any other preference among keys.
 */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface ScoreBias {

    /**
     * Adds the bias to the graph.
     *
     * @param parts the builder, the config, positions of queries and keys
     * @param layer from 0
     * @return what is added, of a shape that broadcasts to {@code [batch, head, pos, keys]} and of the type of the
     *     scores, {@code parts.options().dtype()}
     */
    Value build(DecoderParts parts, int layer);
}
