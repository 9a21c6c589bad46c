package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is made of a driver's answers. */
class CudaDriverTest {

    private static final int NO_DEVICE = 100;
    private static final int NEEDS_RESTART = 803;

    /** A driver that starts or not, for some CUDA, with GPUs of so much memory. */
    private record Driver(int start, int version, long... memory) implements CudaDriver.Functions {

        @Override
        public int cuInit(int flags) {
            return start;
        }

        @Override
        public int cuDriverGetVersion(int[] into) {
            into[0] = version;
            return 0;
        }

        @Override
        public int cuDeviceGetCount(int[] count) {
            count[0] = memory.length;
            return 0;
        }

        @Override
        public int cuDeviceGet(int[] handle, int number) {
            handle[0] = 10 + number;
            return 0;
        }

        @Override
        public int cuDeviceTotalMem_v2(long[] bytes, int handle) {
            bytes[0] = memory[handle - 10];
            return 0;
        }
    }

    private static @Nullable String problem(Driver driver, @Nullable String visible) {
        return CudaDriver.ask(() -> driver, visible).problem();
    }

    @Test
    void eachGpuHasItsMemory() {
        CudaDriver found = CudaDriver.ask(() -> new Driver(0, 12_080, 80L << 30, 24L << 30), null);
        assertThat(found).isEqualTo(new CudaDriver(List.of(80L << 30, 24L << 30), null));
        assertThat(found.describe()).isEqualTo("2 GPUs of 80 GiB, 24 GiB");
    }

    @Test
    void aDriverForAnyCuda12RunsWhatIsBuiltForAnotherCuda12() {
        assertThat(problem(new Driver(0, 12_020, 1), "0")).isNull();
        assertThat(problem(new Driver(0, 11_080, 1), "0")).contains("one for CUDA 11.8", "newer driver");
    }

    @Test
    void eachReasonForNoGpuHasItsOwnWords() {
        CudaDriver none = CudaDriver.ask(
                () -> {
                    throw new UnsatisfiedLinkError("libcuda.so.1");
                },
                null);
        assertThat(none.problem()).contains("no NVIDIA driver");
        assertThat(none.describe()).startsWith("no GPU: ");
        assertThat(problem(new Driver(NO_DEVICE, 12_080), "")).contains("CUDA_VISIBLE_DEVICES is ''", "hides every");
        assertThat(problem(new Driver(NO_DEVICE, 12_080), "-1")).contains("CUDA_VISIBLE_DEVICES is '-1'", "hides");
        assertThat(problem(new Driver(NO_DEVICE, 12_080), "7"))
                .contains("no GPU can be seen", "CUDA_VISIBLE_DEVICES is '7'", "nvidia-smi");
        assertThat(problem(new Driver(0, 12_080), null)).contains("no GPU can be seen", "container");
        assertThat(problem(new Driver(NEEDS_RESTART, 12_080), null)).contains("its error 803", "restart");
    }
}
