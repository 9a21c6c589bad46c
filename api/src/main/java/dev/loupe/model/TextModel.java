package dev.loupe.model;

import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import java.util.List;
import java.util.Optional;
import org.apiguardian.api.API;

/** A model's way between text and tokens: the part of {@link HookedTransformer} that reads and writes text. */
abstract class TextModel extends WeightedModel {

    private volatile TextTokens text;

    TextModel(TransformerConfig config, Weights weights, TextTokens text) {
        super(config, weights);
        this.text = text;
    }

    /** The tokenizer at present, and the model's habits. */
    TextTokens text() {
        return text;
    }

    /** The tokenizer, if the model has one. */
    public Optional<Tokenizer> tokenizer() {
        return text.hasTokenizer() ? Optional.of(text.tokenizer()) : Optional.empty();
    }

    /**
     * Sets another tokenizer, such as {@code Tokenizer.fromPretrained("other")}; from now on texts are read with it. A
     * model that had none works with texts then. Its ids have to be those of the model's vocabulary.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public void setTokenizer(Tokenizer tokenizer) {
        text = new TextTokens(config, tokenizer, "");
    }

    /** The tokens of a text, with BOS in front unless the model's habit is another. */
    public Tokens toTokens(String input) {
        return toTokens(input, config.defaultPrependBos());
    }

    /** The tokens of a text, with BOS in front (never twice) or without. */
    public Tokens toTokens(String input, boolean prependBos) {
        return toTokens(List.of(input), prependBos, false);
    }

    /** The tokens of several texts, padded on the right. */
    public Tokens toTokens(List<String> inputs) {
        return toTokens(inputs, config.defaultPrependBos(), false);
    }

    /**
     * The tokens of several texts.
     *
     * @throws IllegalStateException if the model has no tokenizer; says why
     * @throws IllegalArgumentException if a text has no tokens
     */
    public Tokens toTokens(List<String> inputs, boolean prependBos, boolean padLeft) {
        return text.encode(inputs, prependBos, padLeft);
    }

    /** The tokens of several texts, with BOS unless the model's habit is another, padded at a side. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens toTokens(List<String> inputs, PaddingSide side) {
        return toTokens(inputs, config.defaultPrependBos(), side);
    }

    /**
     * The tokens of several texts, padded at a side.
     *
     * @throws IllegalStateException if the model has no tokenizer; says why
     * @throws IllegalArgumentException if a text has no tokens
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens toTokens(List<String> inputs, boolean prependBos, PaddingSide side) {
        return toTokens(inputs, prependBos, side == PaddingSide.LEFT);
    }

    /**
     * The ids of a text as it stands behind another text: {@code " Mary"} is one token then, where tokenizers that put a
     * space in front of a text themselves (LLaMA 1 and 2) would have a space and a name.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public long[] toContinuationTokens(String input) {
        return text.continuation(input);
    }

    /**
     * Documents in rows of one length, for statistics and training: they are joined by EOS and cut, and what doesn't
     * fill a row is dropped. The original's {@code tokenize_and_concatenate}, but no token is torn at places where it
     * cuts the text for speed.
     *
     * @param length tokens of a row, BOS included
     * @param prependBos whether each row begins with BOS
     * @return [rows, length]
     * @throws IllegalArgumentException if there isn't enough for one row
     * @throws IllegalStateException if the model has no tokenizer, or no EOS
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens tokenizeAndConcatenate(List<String> texts, int length, boolean prependBos) {
        return text.concatenated(texts, length, prependBos);
    }

    /** The text of some ids, special tokens included. */
    public String toString(long[] ids) {
        return toString(ids, false);
    }

    /** The text of some ids, special tokens kept or dropped. */
    public String toString(long[] ids, boolean skipSpecialTokens) {
        return text.tokenizer().decode(ids, skipSpecialTokens);
    }

    /** The text of each token of a text, BOS included if it is the model's habit. */
    public List<String> toStrTokens(String input) {
        return toStrTokens(toTokens(input).row(0));
    }

    /** The text of each token of a text, with BOS in front or without. */
    public List<String> toStrTokens(String input, boolean prependBos) {
        return text.strings(text.encode(input, prependBos));
    }

    /** The text of each token. */
    public List<String> toStrTokens(long[] ids) {
        return text.strings(ids);
    }

    /**
     * The id of a text that is one token, by itself or inside a text ({@link #toContinuationTokens}).
     *
     * @throws IllegalArgumentException if it is more or fewer; says which tokens it has
     */
    public long toSingleToken(String input) {
        return text.single(input);
    }

    /** The first position of a token in a text. */
    public int getTokenPosition(String token, String input) {
        return getTokenPosition(toSingleToken(token), toTokens(input).row(0), false);
    }

    /**
     * The first or last position of a token among ids.
     *
     * @throws IllegalArgumentException if it isn't there
     */
    public int getTokenPosition(long token, long[] ids, boolean last) {
        return text.position(token, ids, last);
    }
}
