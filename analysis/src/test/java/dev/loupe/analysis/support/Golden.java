package dev.loupe.analysis.support;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A fixture's model on the reference backend, and what TransformerLens computes for it. */
public final class Golden implements AutoCloseable {

    /** How near to TransformerLens's numbers ours must be. */
    public static final double TOLERANCE = 1e-4;

    private final HookedTransformer model;
    private final SafetensorsFile file;
    private final String json;
    private final Tokens tokens;
    private final CachedRun run;

    /** Loads a fixture as models are loaded by default. */
    public Golden(String fixture) {
        model = HookedTransformer.fromPretrained(
                Fixtures.directory(fixture).toString(), LoadOptions.defaults().withBackend("reference"));
        file = SafetensorsFile.open(Fixtures.golden(fixture));
        try {
            json = Files.readString(Fixtures.directory(fixture).resolve("golden.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        tokens = tokens("tokens");
        run = model.runWithCache(tokens);
    }

    /** The model. */
    public HookedTransformer model() {
        return model;
    }

    /** The clean tokens. */
    public Tokens tokens() {
        return tokens;
    }

    /** The run on the clean tokens. */
    public CachedRun run() {
        return run;
    }

    /** Tokens under a name of the golden file. */
    public Tokens tokens(String name) {
        Tensor ids = tensor(name);
        long[] flat = ids.toLongArray();
        long[][] rows = new long[(int) ids.size(0)][(int) ids.size(1)];
        for (int i = 0; i < flat.length; i++) {
            rows[i / rows[0].length][i % rows[0].length] = flat[i];
        }
        return Tokens.of(rows);
    }

    /** Whether there is such a tensor. */
    public boolean has(String name) {
        return file.names().contains(name);
    }

    /** A tensor of the golden file. */
    public Tensor tensor(String name) {
        return model.tensors().of(file.read(name));
    }

    /** A list of labels of golden.json. */
    public List<String> labels(String name) {
        Matcher list = Pattern.compile('"' + Pattern.quote(name) + "\"\\s*:\\s*\\[([^\\]]*)\\]")
                .matcher(json);
        if (!list.find()) {
            throw new IllegalArgumentException("golden.json has no list " + name);
        }
        Matcher label = Pattern.compile("\"([^\"]*)\"").matcher(list.group(1));
        List<String> labels = new ArrayList<>();
        while (label.find()) {
            labels.add(label.group(1));
        }
        return labels;
    }

    @Override
    public void close() {
        file.close();
        model.close();
    }
}
