package dev.loupe.analysis.heads;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Random tokens that are repeated once: nothing predicts the second half but the first, so heads that help with it are
 * induction heads ("In-context Learning and Induction Heads", Olsson and others, 2022).
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class RepeatedTokens {

    private RepeatedTokens() {}

    /**
     * BOS, if the model has one, then {@code length} random tokens, then the same again. The same seed gives the same
     * tokens.
     *
     * @throws IllegalArgumentException if that is longer than the model's context, or nothing at all
     */
    public static Tokens random(HookedTransformer model, int length, int batch, long seed) {
        TransformerConfig config = model.config();
        Long bos = config.bosId();
        int start = bos == null ? 0 : 1;
        if (length < 1 || batch < 1) {
            throw new IllegalArgumentException(
                    "There must be a token to repeat and a sequence; asked for " + length + " and " + batch);
        }
        int most = (config.nCtx() - start) / 2;
        if (length > most) {
            throw new IllegalArgumentException("2 times " + length + " tokens don't fit a context of " + config.nCtx()
                    + "; repeat " + most + " at most");
        }
        Set<Long> special = new HashSet<>(config.eosIds());
        if (bos != null) {
            special.add(bos);
        }
        Random random = new Random(seed);
        long[][] ids = new long[batch][start + 2 * length];
        for (long[] row : ids) {
            if (bos != null) {
                row[0] = bos;
            }
            for (int i = 0; i < length; i++) {
                long id = random.nextInt(config.dVocab());
                while (special.contains(id)) {
                    id = random.nextInt(config.dVocab());
                }
                row[start + i] = id;
                row[start + length + i] = id;
            }
        }
        return Tokens.of(ids);
    }
}
