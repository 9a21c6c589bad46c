package dev.loupe.examples.mpt;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.conformance.ArchitectureConformanceKit;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;

/** The kit for architectures, with what plain arithmetic computes as goldens. */
class MptConformanceTest extends ArchitectureConformanceKit {

    private static final int BATCH = 2;
    private static final int POSITIONS = 9;

    @TempDir
    private static Path folder;

    @Override
    protected ArchitectureProvider provider() {
        return new MptArchitecture();
    }

    @Override
    protected Path goldens() {
        TinyMpt tiny = new TinyMpt(20267);
        tiny.writeTo(folder);
        long[] ids = new Random(20268)
                .longs(BATCH * POSITIONS, 0, TinyMpt.VOCABULARY)
                .toArray();
        HostTensor logits = HostTensor.allocate(DType.FLOAT64, Shape.of(BATCH, POSITIONS, TinyMpt.VOCABULARY));
        int at = 0;
        for (int row = 0; row < BATCH; row++) {
            long[] sequence = Arrays.copyOfRange(ids, row * POSITIONS, (row + 1) * POSITIONS);
            for (double[] position : tiny.logits(sequence)) {
                for (double logit : position) {
                    logits.setDouble(at++, logit);
                }
            }
        }
        new SafetensorsWriter()
                .add("tokens", HostTensor.of(Shape.of(BATCH, POSITIONS), ids))
                .add("logits", logits)
                .write(folder.resolve("golden.safetensors"));
        return folder;
    }
}
