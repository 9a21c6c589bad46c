package dev.loupe.architectures.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architectures.files.JsonFiles;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalInt;

/** A tokenizer run by Hugging Face's tokenizers library. */
final class PretrainedTokenizer implements Tokenizer {

    private static final Map<String, String> AS_IT_IS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private final HuggingFaceTokenizer library;
    private final Vocabulary vocabulary;
    private final SpecialTokens special;
    private final boolean addsBos;

    PretrainedTokenizer(String source, ObjectNode description, Vocabulary vocabulary, SpecialTokens special) {
        this.vocabulary = vocabulary;
        this.special = special;
        this.library = open(source, description);
        this.addsBos = special.addBos().orElseGet(this::putsBosFirst);
    }

    private static HuggingFaceTokenizer open(String source, ObjectNode description) {
        // DJL otherwise asks a cloud's metadata address who it is and reports that it is used.
        System.getProperties().putIfAbsent("OPT_OUT_TRACKING", "true");
        System.getProperties().putIfAbsent("ai.djl.offline", "true");
        // What a file says about lengths is meant for training; a text is never cut or padded here.
        description.remove("truncation");
        description.remove("padding");
        byte[] json = JsonFiles.text(description).getBytes(StandardCharsets.UTF_8);
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), AS_IT_IS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(
                    "The tokenizer of " + source + " isn't understood by the tokenizers library: " + e.getMessage(), e);
        }
    }

    private boolean putsBosFirst() {
        long[] ids = library.encode("a", true, false).getIds();
        return special.bos().isPresent()
                && ids.length > 0
                && ids[0] == special.bos().getAsInt();
    }

    @Override
    public long[] encode(String text) {
        return library.encode(text, false, false).getIds();
    }

    @Override
    public String decode(long[] ids, boolean skipSpecialTokens) {
        String text = library.decode(ids, skipSpecialTokens);
        // Decoders in the manner of LLaMA 2 drop the space at the start of a text, but a single token isn't one.
        boolean spaceLost = ids.length == 1 && vocabulary.losesItsSpaceAlone(ids[0]) && !text.startsWith(" ");
        return spaceLost ? " " + text : text;
    }

    @Override
    public String tokenText(long id) {
        return vocabulary.text(id);
    }

    @Override
    public int vocabularySize() {
        return vocabulary.size();
    }

    @Override
    public OptionalInt bosId() {
        return special.bos();
    }

    @Override
    public OptionalInt eosId() {
        return special.eos();
    }

    @Override
    public OptionalInt padId() {
        return special.pad();
    }

    @Override
    public boolean addsBos() {
        return addsBos;
    }
}
