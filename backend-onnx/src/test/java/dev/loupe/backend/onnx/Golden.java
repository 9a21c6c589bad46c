package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What independent implementations compute for a fixture, and which of it was compared. */
final class Golden implements AutoCloseable {

    private final String fixture;
    private final SafetensorsFile file;
    private final Set<String> compared = new TreeSet<>();

    Golden(String fixture) {
        this.fixture = fixture;
        this.file = SafetensorsFile.open(Fixtures.golden(fixture));
    }

    /** Whole numbers, row by row. */
    long[][] rows(String name) {
        compared.add(name);
        HostTensor tensor = file.read(name);
        long[] flat = tensor.toLongArray();
        int columns = (int) tensor.shape().size(1);
        long[][] rows = new long[(int) tensor.shape().size(0)][columns];
        for (int i = 0; i < flat.length; i++) {
            rows[i / columns][i % columns] = flat[i];
        }
        return rows;
    }

    /** The prompt. */
    Tokens tokens() {
        return Tokens.of(rows("tokens"));
    }

    /** The prompt with padding on the left. */
    Tokens leftPadded() {
        long[][] mask = rows("hf.left_padded.attention_mask");
        boolean[][] real = new boolean[mask.length][mask[0].length];
        for (int row = 0; row < mask.length; row++) {
            for (int i = 0; i < mask[row].length; i++) {
                real[row][i] = mask[row][i] != 0;
            }
        }
        return Tokens.of(rows("hf.left_padded.tokens"), real);
    }

    /** Holds a tensor against one of the golden's, at the positions that are real. */
    void assertAgrees(String name, Tensor found, Tokens tokens) {
        compared.add(name);
        HostTensor expected = file.read(name);
        HostTensor actual = found.toHost();
        assertThat(actual.shape()).as("shape of %s in %s", name, fixture).isEqualTo(expected.shape());
        int inRow = (int) (expected.shape().elements() / tokens.batch());
        int inPosition = inRow / tokens.positions();
        for (int i = 0; i < expected.shape().elements(); i++) {
            boolean counts = !tokens.hasPadding() || tokens.isReal(i / inRow, i % inRow / inPosition);
            if (counts && !(Sweeps.difference(actual.getDouble(i), expected.getDouble(i)) <= Sweeps.TOLERANCE)) {
                throw new AssertionError(name + " of " + fixture + " at " + i + " of " + expected.shape() + ": found "
                        + actual.getDouble(i) + ", expected " + expected.getDouble(i));
            }
        }
    }

    /** Names with a prefix that have not been compared. */
    List<String> left(String prefix) {
        return file.names().stream()
                .filter(name -> name.startsWith(prefix) && !compared.contains(name))
                .sorted()
                .toList();
    }

    @Override
    public void close() {
        file.close();
    }
}
