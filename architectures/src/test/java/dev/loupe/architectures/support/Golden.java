package dev.loupe.architectures.support;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.StreamSupport;

/** What independent implementations compute for a fixture, and which of it was compared. */
public final class Golden implements AutoCloseable {

    /** Absolute; Hugging Face transformers and TransformerLens are 7e-6 from each other. */
    private static final double TOLERANCE = 1e-4;

    private final String fixture;
    private final SafetensorsFile file;
    private final Set<String> compared = new TreeSet<>();

    /** The golden of a fixture. */
    public Golden(String fixture) {
        this.fixture = fixture;
        this.file = SafetensorsFile.open(Fixtures.golden(fixture));
    }

    /** Names with a prefix that have not been compared. */
    public List<String> left(String prefix) {
        return file.names().stream()
                .filter(name -> name.startsWith(prefix) && !compared.contains(name))
                .sorted()
                .toList();
    }

    /** A tensor; it counts as compared. */
    public HostTensor read(String name) {
        compared.add(name);
        return file.read(name);
    }

    /** Token ids, with a mask if there is one. */
    public Tokens tokens(String name) {
        return Tokens.of(rows(name));
    }

    /** Token ids of which some are padding. */
    public Tokens tokens(String name, String maskName) {
        long[][] mask = rows(maskName);
        boolean[][] real = new boolean[mask.length][mask[0].length];
        for (int row = 0; row < mask.length; row++) {
            for (int i = 0; i < mask[row].length; i++) {
                real[row][i] = mask[row][i] != 0;
            }
        }
        return Tokens.of(rows(name), real);
    }

    /** Whole numbers, row by row. */
    public long[][] rows(String name) {
        HostTensor tensor = read(name);
        long[] flat = tensor.toLongArray();
        int columns = (int) tensor.shape().size(1);
        long[][] rows = new long[(int) tensor.shape().size(0)][columns];
        for (int i = 0; i < flat.length; i++) {
            rows[i / columns][i % columns] = flat[i];
        }
        return rows;
    }

    /** Holds a tensor against one of the golden's. */
    public void assertAgrees(String name, Tensor found) {
        HostTensor expected = read(name);
        HostTensor actual = found.toHost();
        assertThat(actual.shape()).as("shape of %s in %s", name, fixture).isEqualTo(expected.shape());
        for (int i = 0; i < expected.shape().elements(); i++) {
            double difference = difference(actual.getDouble(i), expected.getDouble(i));
            if (!(difference <= TOLERANCE)) {
                throw new AssertionError(name + " of " + fixture + " at " + i + " of " + expected.shape() + ": found "
                        + actual.getDouble(i) + ", expected " + expected.getDouble(i));
            }
        }
    }

    /** The distance of two numbers; 0 for the same infinity. */
    public static double difference(double a, double b) {
        return a == b ? 0 : Math.abs(a - b);
    }

    /** What golden.json says under a key. */
    public JsonNode fact(String key) {
        try {
            JsonNode facts = new ObjectMapper()
                    .readTree(Fixtures.directory(fixture).resolve("golden.json").toFile());
            return facts.required(key);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A list of names in golden.json. */
    public List<String> names(String key) {
        return StreamSupport.stream(fact(key).spliterator(), false)
                .map(JsonNode::asText)
                .toList();
    }

    @Override
    public void close() {
        file.close();
    }
}
