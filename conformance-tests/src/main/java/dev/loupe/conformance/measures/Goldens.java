package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.model.Tokens;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * What a small checkpoint should give, from {@code golden.safetensors}. {@code docs/writing-an-architecture.md} says
 * which names there may be.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Goldens {

    /** The file's name. */
    public static final String FILE = "golden.safetensors";

    /** Derivatives, which may lie beside them. */
    public static final String GRADIENTS_FILE = "gradients.safetensors";

    /** The key, in the file's metadata, of the tolerance. */
    static final String TOLERANCE = "tolerance";

    /**
     * How far a value may lie from its golden, as a part of the largest number in it: implementations that compute in
     * float32 lie up to 1e-5 apart.
     */
    static final double USUAL_TOLERANCE = 1e-4;

    private final Map<String, HostTensor> values;
    private final double tolerance;

    private Goldens(Map<String, HostTensor> values, double tolerance) {
        this.values = values;
        this.tolerance = tolerance;
    }

    /**
     * Reads a file.
     *
     * @throws IllegalArgumentException if it isn't there, or has no tokens or logits; says what belongs there
     */
    public static Goldens read(Path file) {
        if (!Files.exists(file)) {
            throw new IllegalArgumentException("There is no " + file + ". It holds what an independent implementation"
                    + " computes for the checkpoint beside it: int64 'tokens' [batch, pos], 'logits', and hook points"
                    + " as 'raw.<name>' and 'proc.<name>'. MakeGoldens makes one from the reference backend.");
        }
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            Map<String, HostTensor> values = new TreeMap<>();
            for (String name : stored.names()) {
                values.put(name.startsWith("hf.") ? name.substring(3) : name, stored.read(name));
            }
            String tolerance = stored.metadata().get(TOLERANCE);
            for (String needed : new String[] {"tokens", "logits"}) {
                if (!values.containsKey(needed)) {
                    throw new IllegalArgumentException(file + " has no '" + needed + "'; it has " + values.keySet());
                }
            }
            return new Goldens(values, tolerance == null ? USUAL_TOLERANCE : Double.parseDouble(tolerance));
        }
    }

    /** The tokens of the run. */
    public Tokens tokens() {
        return tokens("");
    }

    /** The tokens of a left-padded run, if there is one. */
    public Optional<Tokens> leftPadded() {
        return values.containsKey("left_padded.tokens") ? Optional.of(tokens("left_padded.")) : Optional.empty();
    }

    private Tokens tokens(String prefix) {
        HostTensor ids = require(prefix + "tokens");
        HostTensor mask = values.get(prefix + "attention_mask");
        int batch = (int) ids.shape().size(0);
        int positions = (int) ids.shape().size(1);
        long[] flat = ids.toLongArray();
        long[][] rows = new long[batch][];
        boolean[][] real = new boolean[batch][positions];
        for (int row = 0; row < batch; row++) {
            rows[row] = Arrays.copyOfRange(flat, row * positions, (row + 1) * positions);
            for (int i = 0; i < positions; i++) {
                real[row][i] = mask == null || mask.getDouble(row * positions + i) != 0;
            }
        }
        return Tokens.of(rows, real);
    }

    /** A value that must be there. */
    public HostTensor require(String name) {
        HostTensor value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException("The goldens have no '" + name + "'; they have " + values.keySet());
        }
        return value;
    }

    /** Values of hook points under a prefix, {@code raw.} or {@code proc.}, by the point's name. */
    public Map<String, HostTensor> hooks(String prefix) {
        Map<String, HostTensor> found = new TreeMap<>();
        values.forEach((name, value) -> {
            String rest = name.startsWith(prefix) ? name.substring(prefix.length()) : "";
            if (rest.startsWith("hook_") || rest.contains(".hook_")) {
                found.put(rest, value);
            }
        });
        return found;
    }

    /** Throws unless a value is that of the goldens. */
    public void check(String what, HostTensor found, HostTensor golden) {
        if (!found.shape().equals(golden.shape())) {
            throw new AssertionError(
                    what + " has the shape " + found.shape() + ", that of the goldens has " + golden.shape());
        }
        double largest = 0;
        for (int i = 0; i < golden.shape().elements(); i++) {
            double value = Math.abs(golden.getDouble(i));
            largest = Double.isFinite(value) ? Math.max(largest, value) : largest;
        }
        double[] allowed = new double[(int) golden.shape().elements()];
        Arrays.fill(allowed, Math.max(largest, 1e-3) * tolerance);
        Comparison.of(found, golden, allowed)
                .check(what
                        + String.format(Locale.ROOT, " (goldens' tolerance: %.3g of the largest number)", tolerance));
    }
}
