package dev.loupe.architectures.tokenizer;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.util.Map;

/** A checkpoint of a {@code tokenizer.json} and nothing else. */
record OneFile(byte[] content) implements ModelFiles {

    static Tokenizer open(byte[] content) {
        return TokenizerFiles.open(new OneFile(content), new CheckpointConfig("config.json", Map.of()))
                .tokenizer()
                .orElseThrow();
    }

    @Override
    public String source() {
        return "broken";
    }

    @Override
    public boolean has(String file) {
        return file.equals("tokenizer.json");
    }

    @Override
    public byte[] read(String file) {
        return content;
    }

    @Override
    public SafetensorsFile openTensors(String file) {
        throw new IllegalArgumentException("There are no tensors");
    }
}
