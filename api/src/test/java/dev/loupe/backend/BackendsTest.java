package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.plugin.SpiVersion;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Backends on other devices than the first. */
class BackendsTest {

    private static final CountDownLatch BEGUN = new CountDownLatch(1);
    private static final CountDownLatch SLOW = new CountDownLatch(1);
    private static final AtomicInteger OPENED = new AtomicInteger();

    /** Opens at once, but for one device. */
    public static final class Waiting implements BackendProvider {
        @Override
        public String id() {
            return "waiting";
        }

        @Override
        public int spiVersion() {
            return SpiVersion.CURRENT;
        }

        @Override
        public int priority(String device) {
            return 1;
        }

        @Override
        public Availability probe() {
            return new Availability.Available("always");
        }

        @Override
        public Backend open(BackendOptions options) {
            OPENED.incrementAndGet();
            if (options.device().equals("slow")) {
                BEGUN.countDown();
                await(SLOW);
            }
            return backend(options.device());
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** One that only says who it is. */
    private static Backend backend(String device) {
        return (Backend) Proxy.newProxyInstance(
                BackendsTest.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (self, method, arguments) -> switch (method.getName()) {
                    case "id" -> "waiting";
                    case "device", "toString" -> device;
                    case "hashCode" -> System.identityHashCode(self);
                    case "equals" -> self == arguments[0];
                    default -> throw new UnsupportedOperationException(method.getName());
                });
    }

    // Sixty-four other devices: in a table of the Java library some would stand where the slow one is being put.
    @Test
    void nobodyWaitsForABackendThatOthersAreOpening(@TempDir Path folder) throws Exception {
        ClassLoader loader = registered(folder);
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Future<Backend> first = threads.submit(in(loader, () -> Backends.onDevice(backend("cpu"), "slow")));
            await(BEGUN);
            Future<List<Backend>> others = threads.submit(in(loader, () -> {
                List<Backend> opened = new ArrayList<>();
                for (int i = 0; i < 64; i++) {
                    opened.add(Backends.onDevice(backend("cpu"), "cuda:" + i));
                }
                return opened;
            }));
            assertThat(others.get(30, TimeUnit.SECONDS)).doesNotHaveDuplicates().hasSize(64);
            assertThat(first).isNotDone();
            SLOW.countDown();
            Backend slow = first.get(30, TimeUnit.SECONDS);
            assertThat(in(loader, () -> Backends.onDevice(backend("cpu"), "slow"))
                            .call())
                    .isSameAs(slow);
            assertThat(OPENED).hasValue(65);
        } finally {
            SLOW.countDown();
            threads.shutdownNow();
        }
    }

    private static ClassLoader registered(Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(BackendProvider.class.getName()), Waiting.class.getName() + "\n");
        return new URLClassLoader(new URL[] {folder.toUri().toURL()}, BackendsTest.class.getClassLoader());
    }

    private static <T> Callable<T> in(ClassLoader loader, Callable<T> work) {
        return () -> {
            Thread thread = Thread.currentThread();
            ClassLoader before = thread.getContextClassLoader();
            thread.setContextClassLoader(loader);
            try {
                return work.call();
            } finally {
                thread.setContextClassLoader(before);
            }
        };
    }
}
