package dev.loupe.dictionaries.reading;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
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

    private final HookedTransformer model;
    private final Iterable<String> texts;
    private final int batch;
    private final int room;
    private final boolean bos;

    private TextBatches(HookedTransformer model, Iterable<String> texts, int context, int batch) {
        this.model = model;
        this.texts = texts;
        this.batch = batch;
        this.bos = model.config().defaultPrependBos() && model.config().bosId() != null;
        this.room = Math.min(context, model.config().nCtx()) - (bos ? 1 : 0);
        if (room < 1 || batch < 1) {
            throw new IllegalArgumentException(
                    "A context of " + context + " has no room for text, or the batch " + batch + " isn't positive");
        }
    }

    /**
     * Batches of texts.
     *
     * @param texts gone through once for each pass over the batches
     * @param context most tokens of a piece, BOS included; at most the model's n_ctx
     * @param batch pieces in a batch
     */
    public static TextBatches of(HookedTransformer model, Iterable<String> texts, int context, int batch) {
        return new TextBatches(model, texts, context, batch);
    }

    @Override
    public Iterator<Tokens> iterator() {
        Iterator<String> from = texts.iterator();
        List<long[]> waiting = new ArrayList<>();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                while (waiting.size() < batch && from.hasNext()) {
                    cut(from.next(), waiting);
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

    private void cut(String text, List<long[]> pieces) {
        if (text.isEmpty()) {
            return;
        }
        long[] ids = model.toTokens(text, false).row(0);
        for (int start = 0; start < ids.length; start += room) {
            long[] piece = Arrays.copyOfRange(ids, start, Math.min(ids.length, start + room));
            pieces.add(bos ? withBos(piece) : piece);
        }
    }

    private long[] withBos(long[] piece) {
        Long id = model.config().bosId();
        if (id == null) {
            throw new IllegalStateException("The model has no BOS");
        }
        long[] result = new long[piece.length + 1];
        result[0] = id;
        System.arraycopy(piece, 0, result, 1, piece.length);
        return result;
    }
}
