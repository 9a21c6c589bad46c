package dev.loupe.architectures.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.plugin.ForeignLogging;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** A tokenizer run by Hugging Face's tokenizers library. */
final class PretrainedTokenizer implements Tokenizer {

    private static final Map<String, String> AS_IT_IS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private final String file;
    private final HuggingFaceTokenizer library;
    private final Vocabulary vocabulary;
    private final SpecialTokens special;
    private final boolean addsBos;
    private final String unknown;

    /**
     * Opens a tokenizer.
     *
     * @param file where its description is, for messages
     * @param description checked for what the library doesn't survive
     */
    PretrainedTokenizer(String file, ObjectNode description, Vocabulary vocabulary, SpecialTokens special) {
        this.file = file;
        this.vocabulary = vocabulary;
        this.special = special;
        JsonNode processor = description.path("post_processor");
        this.addsBos = special.addBos()
                .orElseGet(() -> special.bos().isPresent()
                        && PostProcessor.putsFirst(processor, special.bos().getAsInt()));
        this.unknown = Vocabulary.missingUnknown(description.path("model"));
        AddedTokens.checkNormalized(description, file, bare -> open(file, bare));
        this.library = open(file, described(description));
    }

    /** Without what is meant for training, where texts are cut, padded and tokenized at random, and special tokens added. */
    private static ObjectNode described(ObjectNode description) {
        ObjectNode used = description.deepCopy();
        used.remove(List.of("truncation", "padding", "post_processor"));
        if (used.path("model") instanceof ObjectNode model) {
            model.remove("dropout");
        }
        return used;
    }

    private static HuggingFaceTokenizer open(String file, ObjectNode description) {
        // DJL otherwise asks a cloud's metadata address who it is and reports that it is used.
        System.getProperties().putIfAbsent("OPT_OUT_TRACKING", "true");
        System.getProperties().putIfAbsent("ai.djl.offline", "true");
        ForeignLogging.beSilentWithoutProvider();
        byte[] json = JsonFiles.text(description).getBytes(StandardCharsets.UTF_8);
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), AS_IT_IS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RuntimeException e) {
            // Places are those in the text made here, not in the file.
            String said = String.valueOf(e.getMessage()).replaceFirst(" at line 1 column \\d+$", "");
            throw new IllegalArgumentException(
                    file + " isn't understood by the tokenizers library: " + said + ". Get the file again.", e);
        }
    }

    @Override
    public long[] encode(String text) {
        try {
            return library.encode(text, false, false).getIds();
        } catch (RuntimeException e) {
            throw failed("tokenize \"" + (text.length() > 60 ? text.substring(0, 60) + "…" : text) + "\"", e);
        }
    }

    @Override
    public String decode(long[] ids, boolean skipSpecialTokens) {
        try {
            return library.decode(ids, skipSpecialTokens);
        } catch (RuntimeException e) {
            throw failed("make text of " + ids.length + " tokens", e);
        }
    }

    private IllegalArgumentException failed(String what, RuntimeException cause) {
        return new IllegalArgumentException(
                file + " can't " + what + ": " + (unknown.isEmpty() ? cause.getMessage() : unknown), cause);
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
