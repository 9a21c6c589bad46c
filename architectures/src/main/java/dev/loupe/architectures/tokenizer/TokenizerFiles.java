package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import org.apiguardian.api.API;

/** Finds the tokenizer among a checkpoint's files. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TokenizerFiles {

    private static final String TOKENIZER = "tokenizer.json";
    private static final String VOCABULARY = "vocab.json";
    private static final String MERGES = "merges.txt";
    private static final String SENTENCEPIECE = "tokenizer.model";

    private TokenizerFiles() {}

    /**
     * Opens a checkpoint's tokenizer: {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt}, as
     * older GPT-2 checkpoints have them.
     *
     * @param config the model's config, whose ids of special tokens count where the tokenizer's files name none
     * @throws IllegalArgumentException if there is a tokenizer that can't be understood; names the file
     */
    public static FoundTokenizer open(ModelFiles files, CheckpointConfig config) {
        ObjectNode description;
        String file = files.source() + "/" + TOKENIZER;
        if (files.has(TOKENIZER)) {
            description = JsonFiles.tree(files, TOKENIZER);
        } else if (files.has(VOCABULARY) && files.has(MERGES)) {
            description = ByteLevelFiles.describe(files, VOCABULARY, MERGES);
            file = files.source() + "/" + VOCABULARY + " with " + MERGES;
        } else {
            return FoundTokenizer.none(missing(files));
        }
        Vocabulary vocabulary = Vocabulary.of(description, file);
        TokenizerParts.check(description, file);
        AddedTokens.checkIds(description, file);
        SpecialTokens special = SpecialTokens.read(files, config, vocabulary);
        try {
            return FoundTokenizer.of(new PretrainedTokenizer(file, description, vocabulary, special));
        } catch (LinkageError e) {
            return FoundTokenizer.none("the tokenizers library has no native code for this machine ("
                    + System.getProperty("os.name") + ", " + System.getProperty("os.arch") + "): " + e.getMessage());
        }
    }

    private static String missing(ModelFiles files) {
        if (files.has(SENTENCEPIECE)) {
            return files.source() + " has " + SENTENCEPIECE + " but no " + TOKENIZER
                    + ". Convert it once, in Python with"
                    + " transformers and sentencepiece installed: python -c \"from transformers import AutoTokenizer as"
                    + " T; T.from_pretrained('" + files.source() + "').save_pretrained('converted')\"; then copy"
                    + " converted/" + TOKENIZER + " beside the model.";
        }
        return files.source() + " has no " + TOKENIZER + ". Put the one that belongs to the model there.";
    }
}
