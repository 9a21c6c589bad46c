package dev.loupe.analysis;

import dev.loupe.model.HookedTransformer;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Cuts texts into pieces that fit a context, each with BOS in front if that is the model's habit; empty texts have none.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TextPieces {

    private final HookedTransformer model;
    private final @Nullable Long bos;
    private final int room;

    private TextPieces(HookedTransformer model, @Nullable Long bos, int room) {
        this.model = model;
        this.bos = bos;
        this.room = room;
    }

    /**
     * A cutter for a model.
     *
     * @param context most tokens of a piece, BOS included; at most the model's n_ctx
     * @param batch how many pieces are to be run together
     * @throws IllegalArgumentException if nothing fits the context, or the batch isn't positive
     */
    public static TextPieces of(HookedTransformer model, int context, int batch) {
        Long bos = model.config().defaultPrependBos() ? model.config().bosId() : null;
        int room = Math.min(context, model.config().nCtx()) - (bos == null ? 0 : 1);
        if (room < 1 || batch < 1) {
            throw new IllegalArgumentException(
                    "A context of " + context + " has no room for text, or the batch " + batch + " isn't positive");
        }
        return new TextPieces(model, bos, room);
    }

    /** Adds a text's pieces to a list. */
    public void cut(String text, List<long[]> pieces) {
        long[] ids = text.isEmpty() ? new long[0] : model.toTokens(text, false).row(0);
        for (int start = 0; start < ids.length; start += room) {
            long[] piece = Arrays.copyOfRange(ids, start, Math.min(ids.length, start + room));
            pieces.add(bos == null ? piece : withBos(bos, piece));
        }
    }

    private static long[] withBos(long bos, long[] piece) {
        long[] result = new long[piece.length + 1];
        result[0] = bos;
        System.arraycopy(piece, 0, result, 1, piece.length);
        return result;
    }
}
