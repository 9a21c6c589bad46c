package dev.loupe.harvest.shard;

import dev.loupe.architecture.Tokenizer;
import dev.loupe.harvest.job.Packing;
import dev.loupe.harvest.source.Document;
import dev.loupe.model.HookedTransformer;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/** What a model says about tokens: its tokenizer, BOS, EOS, and how many fit. */
final class TextRules {

    private final HookedTransformer model;
    private final boolean prependBos;
    private @Nullable Tokenizer tokenizer;
    private long bos = -1;

    TextRules(HookedTransformer model, Packing packing) {
        this.model = model;
        Boolean asked = packing.prependBos();
        this.prependBos = asked == null ? model.config().defaultPrependBos() : asked;
    }

    boolean prependBos() {
        return prependBos;
    }

    int context() {
        return model.config().nCtx();
    }

    long bos() {
        if (bos < 0) {
            bos = model.toTokens("", true).id(0, 0);
        }
        return bos;
    }

    long eos() {
        if (model.tokenizer().isPresent() && model.tokenizer().get().eosId().isPresent()) {
            return model.tokenizer().get().eosId().getAsInt();
        }
        return model.config().eosIds().stream()
                .min(Comparator.naturalOrder())
                .orElseThrow(
                        () -> new IllegalStateException(
                                "'" + model.config().modelName()
                                        + "' has no EOS token to put between documents; harvest each document as a row of its own"));
    }

    /** A document's tokens, BOS not added. */
    long[] encode(Document document) {
        String text = document.text();
        long[] tokens = document.tokens();
        if (text == null) {
            long[] ids = tokens == null ? new long[0] : tokens;
            for (int i = 0; i < ids.length; i++) {
                if (ids[i] < 0 || ids[i] >= model.config().dVocab()) {
                    throw new IllegalArgumentException(document.place() + ": token " + ids[i] + " at position " + i
                            + " isn't in the vocabulary of '" + model.config().modelName()
                            + "', which has the ids 0 to "
                            + (model.config().dVocab() - 1));
                }
            }
            return ids;
        }
        if (tokenizer == null) {
            tokenizer = model.tokenizer()
                    .orElseThrow(
                            () -> new IllegalStateException("'" + model.config().modelName()
                                    + "' has no tokenizer, so texts can't be harvested with it; give token ids"));
        }
        return tokenizer.encode(text);
    }

    /** A text's tokens with BOS in front, if it is wanted and isn't there; token ids as they are. */
    long[] row(Document document) {
        long[] ids = encode(document);
        if (document.text() == null || !prependBos || ids.length == 0 || ids[0] == bos()) {
            return ids;
        }
        long[] withBos = new long[ids.length + 1];
        withBos[0] = bos();
        System.arraycopy(ids, 0, withBos, 1, ids.length);
        return withBos;
    }
}
