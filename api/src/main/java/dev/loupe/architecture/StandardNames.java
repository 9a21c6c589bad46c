package dev.loupe.architecture;

import dev.loupe.graph.Dim;
import dev.loupe.graph.Scope;
import org.apiguardian.api.API;

/**
 * Names of the inputs and outputs that a language model's graph has, whatever its architecture, and the
 * symbols in their sizes.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class StandardNames {

    /** Sequences in a run. */
    public static final Dim BATCH = Dim.symbol("batch");
    /** Positions that are new in a run. */
    public static final Dim POS = Dim.symbol("pos");
    /** Positions that came before and stand in the key/value cache. */
    public static final Dim PAST = Dim.symbol("past");
    /** Positions at which logits are asked for. */
    public static final Dim SELECTED = Dim.symbol("selected");

    /** Input int64 [batch, pos]: token ids. */
    public static final String TOKENS = "tokens";
    /** Input bool [batch, pos]: false at padding. */
    public static final String TOKEN_MASK = Scope.TOKEN_MASK;
    /** Input bool [batch, past+pos]: which keys are real tokens. [batch, pos] without a key/value cache. */
    public static final String ATTENTION_MASK = "attention_mask";
    /** Input int64 [batch, pos]: position of each new token in its sequence, padding not counted. */
    public static final String POSITIONS = "positions";
    /** Input int64 [batch, past+pos]: the same for every key. */
    public static final String KEY_POSITIONS = "key_positions";
    /** Input int64 [pos]: index of each query among the keys: past, past+1, … */
    public static final String QUERY_INDEX = "query_index";
    /** Input int64 [past+pos]: 0, 1, … */
    public static final String KEY_INDEX = "key_index";
    /** Input int64 [selected]: positions, among the new ones, at which logits are wanted. */
    public static final String SELECTED_POSITIONS = "selected_positions";

    /** Output [batch, pos, d_vocab], or [batch, selected, d_vocab]. */
    public static final String LOGITS = "logits";
    /** Output [batch, pos−1]: cross-entropy of each next token, 0 where either side is padding. */
    public static final String LOSS_PER_TOKEN = "loss_per_token";

    private StandardNames() {}

    /** Input [batch, past, kv_heads, d_head]: keys of earlier positions, before rotation. */
    public static String pastKeys(int layer) {
        return "past_keys." + layer;
    }

    /** Input [batch, past, kv_heads, d_head]: values of earlier positions. */
    public static String pastValues(int layer) {
        return "past_values." + layer;
    }

    /** Output [batch, past+pos, kv_heads, d_head]: keys of all positions, before rotation. */
    public static String keys(int layer) {
        return "keys." + layer;
    }

    /** Output [batch, past+pos, kv_heads, d_head]: values of all positions. */
    public static String values(int layer) {
        return "values." + layer;
    }

    /**
     * Output [batch, pos, d_model]: the residual stream on its way into a layer, before any hook of that layer;
     * for the number of layers, what enters the final norm.
     */
    public static String residualEntering(int layer) {
        return "residual_entering." + layer;
    }
}
