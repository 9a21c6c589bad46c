package dev.loupe.model;

import dev.loupe.tensor.Tensor;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Texts that were generated, with the logits from which their tokens were chosen.
 *
 * @param tokens prompts and continuations, without padding; where it began with embeddings the continuations alone
 * @param logits before temperature and penalties [sequence, new token, d_vocab]; of a sequence that ended early they go on
 *     while others do, and mean nothing behind its end
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Generated(List<long[]> tokens, Tensor logits) implements AutoCloseable {

    /** Copies the list. */
    public Generated {
        tokens = List.copyOf(tokens);
    }

    /** Frees the logits. */
    @Override
    public void close() {
        logits.close();
    }
}
