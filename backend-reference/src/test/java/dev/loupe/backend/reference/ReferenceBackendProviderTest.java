package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.plugin.SpiVersion;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

class ReferenceBackendProviderTest {

    private static BackendProvider provider() {
        List<BackendProvider> found = ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.id().equals("reference"))
                .toList();
        assertThat(found).hasSize(1);
        return found.get(0);
    }

    @Test
    void isFoundAsAServiceAndAvailable() {
        assertThat(provider().spiVersion()).isEqualTo(SpiVersion.CURRENT);
        assertThat(provider().probe()).isInstanceOf(Availability.Available.class);
    }

    @Test
    void isPreferredToNothingElseOnACpuAndToNothingAtAllElsewhere() {
        assertThat(provider().priority("cpu")).isEqualTo(100);
        assertThat(provider().priority("cuda:0")).isZero();
    }

    @Test
    void opensOnTheCpu() {
        try (Backend backend = provider().open(BackendOptions.DEFAULT)) {
            assertThat(backend.id()).isEqualTo("reference");
            assertThat(backend.device()).isEqualTo("cpu");
            assertThat(backend.compiles()).isFalse();
            assertThat(backend.capabilities().deterministic()).isTrue();
            assertThat(backend.capabilities().dtypes()).contains(DType.values());
            assertThat(backend.capabilities().computeDTypes()).containsExactlyInAnyOrder(DType.FLOAT32, DType.FLOAT64);
        }
    }

    @Test
    void closingTwiceDoesNoHarm() {
        Backend backend = provider().open(BackendOptions.DEFAULT);
        backend.close();
        backend.close();
    }

    @Test
    void refusesOtherDevices() {
        assertThatThrownBy(() -> provider().open(BackendOptions.DEFAULT.withDevice("cuda:0")))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("reference")
                .hasMessageContaining("'cuda:0'")
                .hasMessageContaining("'cpu'");
    }

    @Test
    void refusesToSpreadOverSeveralDevices() {
        assertThatThrownBy(() -> provider().open(new BackendOptions("cpu", 0, 2, Map.of())))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("2");
    }
}
