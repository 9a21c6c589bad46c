package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What can be asked of a backend is checked before any backend is asked. */
class BackendOptionsTest {

    @ParameterizedTest
    @ValueSource(ints = {-1, 20_000, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void aNumberOfThreadsThatNoMachineRunsIsRefused(int threads) {
        assertThatThrownBy(() -> BackendOptions.DEFAULT.withThreads(threads))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(
                        threads + " threads",
                        "1 to " + BackendOptions.mostThreads(),
                        "0 for as many as there are physical cores");
        assertThatThrownBy(() -> LoadOptions.defaults().withThreads(threads))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(threads + " threads");
    }

    @Test
    void asManyThreadsAsAreSensibleAreTaken() {
        assertThat(BackendOptions.mostThreads())
                .isGreaterThanOrEqualTo(64)
                .isGreaterThanOrEqualTo(2 * Runtime.getRuntime().availableProcessors());
        int most = BackendOptions.mostThreads();
        assertThat(BackendOptions.DEFAULT.withThreads(most).threads()).isEqualTo(most);
        assertThat(LoadOptions.defaults().withThreads(0).threads()).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -3, Integer.MAX_VALUE})
    void aNumberOfDevicesThatNoMachineHasIsRefused(int devices) {
        assertThatThrownBy(() -> new BackendOptions("cpu", 0, devices, Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(devices + " devices");
        assertThatThrownBy(() -> LoadOptions.defaults().withDevices(devices))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(devices + " devices");
    }
}
