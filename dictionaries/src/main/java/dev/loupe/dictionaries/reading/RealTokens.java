package dev.loupe.dictionaries.reading;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;

/** Which tokens count: real ones, but for BOS at the beginning, whose activations are out of the ordinary. */
record RealTokens(HookedTransformer model) {

    boolean counts(Tokens tokens, int row, int position) {
        if (!tokens.isReal(row, position)) {
            return false;
        }
        Long bos = model.config().bosId();
        boolean first = position == 0 || !tokens.isReal(row, position - 1);
        return !(first && bos != null && tokens.id(row, position) == bos);
    }
}
