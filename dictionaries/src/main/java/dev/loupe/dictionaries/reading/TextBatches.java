package dev.loupe.dictionaries.reading;

import dev.loupe.analysis.TextPieces;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apiguardian.api.API;

/**
 * Texts as batches of tokens, made as they are asked for, so that a data set is never held as a whole. A text that is
 * longer than the context is cut into pieces, each with BOS in front if that is the model's habit; empty texts are passed
 * over.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class TextBatches implements Iterable<Tokens> {

    private final TextPieces cutter;
    private final Iterable<String> texts;
    private final int batch;

    private TextBatches(TextPieces cutter, Iterable<String> texts, int batch) {
        this.cutter = cutter;
        this.texts = texts;
        this.batch = batch;
    }

    /**
     * Batches of texts.
     *
     * @param texts gone through once for each pass over the batches
     * @param context most tokens of a piece, BOS included; at most the model's n_ctx
     * @param batch pieces in a batch
     */
    public static TextBatches of(HookedTransformer model, Iterable<String> texts, int context, int batch) {
        return new TextBatches(TextPieces.of(model, context, batch), texts, batch);
    }

    @Override
    public Iterator<Tokens> iterator() {
        Iterator<String> from = texts.iterator();
        List<long[]> waiting = new ArrayList<>();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                while (waiting.size() < batch && from.hasNext()) {
                    cutter.cut(from.next(), waiting);
                }
                return !waiting.isEmpty();
            }

            @Override
            public Tokens next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("There is no more text");
                }
                List<long[]> some = waiting.subList(0, Math.min(batch, waiting.size()));
                Tokens tokens = Tokens.pad(some, 0, false);
                some.clear();
                return tokens;
            }
        };
    }
}
