package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is kept, who makes it, and when it is closed. */
class ReferenceCountedCacheTest {

    private final List<String> made = new ArrayList<>();
    private final List<String> closed = new ArrayList<>();
    private final ReferenceCountedCache<Integer, String> cache = new ReferenceCountedCache<>(2, closed::add);
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void endThreads() {
        threads.shutdownNow();
    }

    private ReferenceCountedCache.Lease<String> acquire(int key) {
        return cache.acquire(key, one -> {
            made.add("v" + one);
            return "v" + one;
        });
    }

    private void use(int key) {
        acquire(key).close();
    }

    @Test
    void ofWhatNobodyUsesTheLeastRecentlyUsedIsDropped() {
        use(1);
        use(2);
        use(1);
        use(3);
        assertThat(closed).containsExactly("v2");
        use(1);
        use(3);
        assertThat(made).containsExactly("v1", "v2", "v3");
        use(2);
        assertThat(made).containsExactly("v1", "v2", "v3", "v2");
        assertThat(closed).containsExactly("v2", "v1");
    }

    @Test
    void whatIsInUseIsNeitherClosedNorMadeAgain() {
        ReferenceCountedCache.Lease<String> first = acquire(1);
        use(2);
        use(3);
        use(4);
        ReferenceCountedCache.Lease<String> second = acquire(1);
        assertThat(made).containsExactly("v1", "v2", "v3", "v4");
        assertThat(closed).containsExactly("v2");
        first.close();
        second.close();
        assertThat(closed).containsExactly("v2", "v3");
        assertThat(cache.size()).isEqualTo(2);
    }

    @Test
    void closingLeavesWhatIsInUseToItsLastUserAndKeepsNothingMore() {
        ReferenceCountedCache.Lease<String> used = acquire(1);
        use(2);
        cache.close();
        assertThat(closed).containsExactly("v2");
        used.close();
        cache.close();
        assertThat(closed).containsExactly("v2", "v1");
        use(3);
        assertThat(closed).containsExactly("v2", "v1", "v3");
        assertThat(cache.size()).isZero();
    }

    @Test
    void aMakerThatNeedsTheRoomClosesWhatNobodyUses() {
        ReferenceCountedCache.Lease<String> used = acquire(1);
        use(2);
        assertThat(value(cache.acquire(3, key -> {
                    cache.closeUnused();
                    return "v" + key;
                })))
                .isEqualTo("v3");
        assertThat(closed).containsExactly("v2");
        used.close();
        assertThat(closed).containsExactly("v2");
        use(4);
        assertThat(closed).containsExactly("v2", "v1");
    }

    @Test
    void whatCouldNotBeMadeIsMadeByTheNextWhoAsks() {
        assertThatThrownBy(() -> cache.acquire(1, key -> {
                    throw new IllegalStateException("no room");
                }))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no room");
        assertThatThrownBy(() -> cache.acquire(1, key -> {
                    throw new OutOfMemoryError("none at all");
                }))
                .isInstanceOf(OutOfMemoryError.class);
        use(1);
        assertThat(made).containsExactly("v1");
        assertThat(cache.size()).isOne();
    }

    @Test
    void nobodyWaitsForWhatOthersHaveMade() throws Exception {
        CountDownLatch slow = new CountDownLatch(1);
        CompletableFuture<Void> begun = new CompletableFuture<>();
        AtomicInteger times = new AtomicInteger();
        Future<String> first = threads.submit(() -> value(cache.acquire(1, key -> {
            times.incrementAndGet();
            begun.complete(null);
            await(slow);
            return "slow";
        })));
        begun.get(30, TimeUnit.SECONDS);
        Future<String> second = threads.submit(() -> value(cache.acquire(1, key -> {
            times.incrementAndGet();
            return "made twice";
        })));
        Future<String> other = threads.submit(() -> value(cache.acquire(2, key -> "quick")));
        assertThat(other.get(30, TimeUnit.SECONDS)).isEqualTo("quick");
        assertThat(first).isNotDone();
        slow.countDown();
        assertThat(first.get(30, TimeUnit.SECONDS)).isEqualTo("slow");
        assertThat(second.get(30, TimeUnit.SECONDS)).isEqualTo("slow");
        assertThat(times).hasValue(1);
    }

    private static String value(ReferenceCountedCache.Lease<String> lease) {
        try (lease) {
            return lease.value();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
