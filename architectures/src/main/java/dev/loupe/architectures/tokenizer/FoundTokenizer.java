package dev.loupe.architectures.tokenizer;

import dev.loupe.architecture.Tokenizer;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * A checkpoint's tokenizer, or why there is none.
 *
 * @param tokenizer the tokenizer, if there is one
 * @param problem what is missing and what to do about it; empty if nothing is
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record FoundTokenizer(Optional<Tokenizer> tokenizer, String problem) {

    static FoundTokenizer of(Tokenizer tokenizer) {
        return new FoundTokenizer(Optional.of(tokenizer), "");
    }

    static FoundTokenizer none(String problem) {
        return new FoundTokenizer(Optional.empty(), problem);
    }
}
