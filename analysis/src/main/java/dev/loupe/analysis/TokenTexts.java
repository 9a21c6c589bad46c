package dev.loupe.analysis;

import dev.loupe.model.HookedTransformer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
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

    /** The texts in a line, without the spaces around them: {@code he, she, it}. */
    public static String listed(HookedTransformer model, List<Long> ids) {
        return of(model, ids.stream().mapToLong(Long::longValue).toArray()).stream()
                .map(String::strip)
                // Which commas are tokens and which stand between them would not be seen.
                .map(text -> text.isEmpty() || text.contains(",") ? "“" + text + "”" : text)
                .collect(Collectors.joining(", "));
    }
}
