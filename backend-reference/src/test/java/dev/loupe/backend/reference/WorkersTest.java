package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkersTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyItemIsDoneOnce(int threads) {
        try (Workers workers = new Workers(threads)) {
            for (int items : new int[] {0, 1, 9, 10, 11, 1000}) {
                AtomicIntegerArray done = new AtomicIntegerArray(items);
                workers.forBlocks(items, 10, (from, to) -> {
                    for (int i = from; i < to; i++) {
                        done.incrementAndGet(i);
                    }
                });
                for (int i = 0; i < items; i++) {
                    assertThat(done.get(i)).as("item %d of %d", i, items).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void blocksRunAtTheSameTime() {
        try (Workers workers = new Workers(2)) {
            CountDownLatch bothBegun = new CountDownLatch(2);
            Set<Thread> threads = ConcurrentHashMap.newKeySet();
            workers.forBlocks(2, 1, (from, to) -> {
                threads.add(Thread.currentThread());
                bothBegun.countDown();
                try {
                    bothBegun.await(); // forever, if one had to wait for the other
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            assertThat(threads).hasSize(2).contains(Thread.currentThread());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void whatABlockThrowsIsThrown(int threads) {
        try (Workers workers = new Workers(threads)) {
            assertThatThrownBy(() -> workers.forBlocks(100, 1, (from, to) -> {
                        if (from == 50) {
                            throw new IllegalArgumentException("fifty");
                        }
                    }))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("fifty");
            assertThatThrownBy(() -> workers.forBlocks(2, 1, (from, to) -> {
                        throw new AssertionError("an error too");
                    }))
                    .isInstanceOf(AssertionError.class);
        }
    }

    @Test
    void aBlockMayHaveBlocksOfItsOwn() {
        try (Workers workers = new Workers(2)) {
            AtomicIntegerArray done = new AtomicIntegerArray(16);
            workers.forBlocks(
                    4,
                    1,
                    (from, to) -> workers.forBlocks(
                            4, 1, (innerFrom, innerTo) -> done.incrementAndGet(4 * from + innerFrom)));
            for (int i = 0; i < 16; i++) {
                assertThat(done.get(i)).isEqualTo(1);
            }
        }
    }

    @Test
    void anInterruptedCallerGetsItsResultAndStaysInterrupted() {
        try (Workers workers = new Workers(2)) {
            AtomicIntegerArray done = new AtomicIntegerArray(50);
            Thread.currentThread().interrupt();
            workers.forBlocks(50, 1, (from, to) -> done.incrementAndGet(from));
            assertThat(Thread.interrupted()).isTrue();
            for (int i = 0; i < 50; i++) {
                assertThat(done.get(i)).isEqualTo(1);
            }
        }
    }
}
