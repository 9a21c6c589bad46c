package dev.loupe.architectures.support;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.Random;

/** Models for tests: on the reference backend, which is as exact as its data type. */
public final class Models {

    private Models() {}

    /** Loads a checkpoint from a directory. */
    public static HookedTransformer load(Path directory, LoadOptions options) {
        return HookedTransformer.fromPretrained(directory.toString(), options.withBackend("reference"));
    }

    /** Loads a checkpoint as it is, in double precision. */
    public static HookedTransformer exact(Path directory) {
        return load(directory, LoadOptions.noProcessing().withDType(DType.FLOAT64));
    }

    /** Logits {@code [pos][d_vocab]} of one sequence. */
    public static double[][] logits(HookedTransformer model, long[] ids) {
        HostTensor logits = model.forward(Tokens.of(ids)).toHost();
        int columns = model.config().dVocab();
        double[][] rows = new double[ids.length][columns];
        for (int row = 0; row < ids.length; row++) {
            for (int column = 0; column < columns; column++) {
                rows[row][column] = logits.getDouble(row * columns + column);
            }
        }
        return rows;
    }

    /** Random ids. */
    public static long[] ids(int count, int vocabulary, long seed) {
        return new Random(seed).longs(count, 0, vocabulary).toArray();
    }
}
