package dev.loupe.analysis;

import dev.loupe.model.HookedTransformer;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/** Tokens for people to read. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TokenTexts {

    private TokenTexts() {}

    /** The text of each token, or its id as {@code #17} if the model has no tokenizer. */
    public static List<String> of(HookedTransformer model, long[] ids) {
        return model.tokenizer().isPresent()
                ? model.toStrTokens(ids)
                : Arrays.stream(ids).mapToObj(id -> "#" + id).toList();
    }
}
