package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.graph.Op;
import dev.loupe.spi.Backend;
import dev.loupe.spi.BackendOptions;
import dev.loupe.spi.Placement;
import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

class MatMulTest {
    @Test
    void small() {
        try (Backend backend = new ReferenceBackendProvider().open(BackendOptions.DEFAULT)) {
            var a = backend.upload(HostTensor.of(Shape.of(2, 3), 1f, 2, 3, 4, 5, 6), Placement.ANYWHERE);
            var b = backend.upload(HostTensor.of(Shape.of(3, 2), 1f, 2, 3, 4, 5, 6), Placement.ANYWHERE);
            var c = backend.download(
                    backend.execute(new Op.MatMul(), List.of(a, b)).get(0));
            assertThat(c.toFloatArray()).containsExactly(22, 28, 49, 64);
        }
    }
}
