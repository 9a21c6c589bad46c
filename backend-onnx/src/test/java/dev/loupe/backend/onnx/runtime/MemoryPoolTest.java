package dev.loupe.backend.onnx.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MemoryPoolTest {

    private final MemoryPool pool = new MemoryPool(1 << 20);

    @Test
    void idleMemoryServesWhateverItIsNotTwiceTooLargeFor() {
        Memory large = pool.take(4096);
        large.release();
        assertThat(pool.idleBytes()).isEqualTo(4096);

        Memory tiny = pool.take(1500);
        assertThat(tiny.buffer().capacity())
                .as("more than half of 4096 would be wasted")
                .isEqualTo(1536);
        Memory smaller = pool.take(3000);
        assertThat(smaller.buffer()).isSameAs(large.buffer());
        assertThat(pool.usedBytes()).isEqualTo(4096 + 1536);
        assertThat(pool.idleBytes()).isZero();

        smaller.release();
        tiny.release();
        assertThat(pool.usedBytes()).isZero();
        assertThat(pool.idleBytes()).isEqualTo(4096 + 1536);
    }

    @Test
    void noMoreStaysIdleThanIsAllowed() {
        Memory[] taken = new Memory[40];
        for (int i = 0; i < taken.length; i++) {
            taken[i] = pool.take(64 << 10);
        }
        for (Memory memory : taken) {
            memory.release();
        }
        assertThat(pool.idleBytes()).isEqualTo(1 << 20);
        pool.clear();
        assertThat(pool.idleBytes()).isZero();
    }

    @Test
    void whatSomebodyOutsideReadsIsNotUsedAgain() {
        Memory memory = pool.take(512);
        memory.escape();
        memory.release();
        assertThat(pool.idleBytes()).isZero();
        assertThat(pool.take(512).buffer()).isNotSameAs(memory.buffer());
    }
}
