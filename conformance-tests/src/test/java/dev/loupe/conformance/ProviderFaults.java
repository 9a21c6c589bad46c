package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Capabilities;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;

/** Faults of providers, of data in and out, and of lifecycle. */
final class ProviderFaults {

    private ProviderFaults() {}

    static final class MalformedId extends Fault {
        @Override
        String id() {
            return "Mutant_1";
        }
    }

    static final class OldVersion extends Fault {
        @Override
        int spiVersion() {
            return 0;
        }
    }

    static final class ProbeThrows extends Fault {
        @Override
        Availability probe(BackendProvider real) {
            throw new IllegalStateException("the driver isn't there");
        }
    }

    static final class FallsBackToTheCpu extends Fault {
        @Override
        Backend open(BackendOptions options, Supplier<Backend> sound) {
            return MutantProvider.openOnCpu();
        }
    }

    static final class AcceptsUndeclaredTypes extends Fault {
        @Override
        Capabilities capabilities(Capabilities real) {
            return new Capabilities(
                    EnumSet.of(DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.BOOL), real.computeDTypes(), true);
        }
    }

    static final class RefusesADeclaredType extends Fault {
        @Override
        HostTensor upload(HostTensor data) {
            if (data.dtype() == DType.INT32) {
                throw new UnsupportedOperationException("no int32 here");
            }
            return data;
        }
    }

    static final class DeclaresTooLittle extends Fault {
        @Override
        Capabilities capabilities(Capabilities real) {
            return new Capabilities(Set.of(DType.FLOAT32, DType.INT64), Set.of(DType.FLOAT32), true);
        }
    }

    /** What was read out changes with the next reading: one buffer for all. */
    static final class OneBufferForAllDownloads extends Fault {
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);

        @Override
        synchronized HostTensor download(MutantHandle handle, HostTensor sound) {
            if (sound.data().capacity() > buffer.capacity()) {
                return sound;
            }
            buffer.put(0, sound.data(), 0, sound.data().capacity());
            return new HostTensor(sound.dtype(), sound.shape(), buffer);
        }

        @Override
        HostTensor upload(HostTensor data) {
            // The same buffer takes data in.
            return data.data().capacity() > buffer.capacity() ? data : shared(data);
        }

        private synchronized HostTensor shared(HostTensor data) {
            HostTensor copy = HostTensor.allocate(data.dtype(), data.shape());
            copy.data().put(0, data.data(), 0, data.data().capacity());
            buffer.put(0, data.data(), 0, data.data().capacity());
            return copy;
        }
    }

    static final class RoundsOnUpload extends Fault {
        @Override
        HostTensor upload(HostTensor data) {
            return data.dtype() == DType.FLOAT64 ? data.to(DType.FLOAT32).to(DType.FLOAT64) : data;
        }
    }

    static final class SecondCloseThrows extends Fault {
        @Override
        void closed(int times) {
            if (times > 1) {
                throw new IllegalStateException("closed already");
            }
        }
    }

    static final class KeepsEveryTensor extends Fault {
        private final List<HostTensor> kept = new ArrayList<>();

        @Override
        synchronized HostTensor upload(HostTensor data) {
            if (data.data().capacity() > 1 << 20) {
                HostTensor copy = HostTensor.allocateHeap(data.dtype(), data.shape());
                kept.add(copy);
            }
            return data;
        }

        @Override
        synchronized void cleanUp() {
            kept.clear();
        }
    }

    static final class LeavesAThread extends Fault {
        private final CountDownLatch end = new CountDownLatch(1);

        @Override
        Backend open(BackendOptions options, Supplier<Backend> sound) {
            Thread thread = new Thread(this::await, "mutant-worker");
            thread.setDaemon(false);
            thread.start();
            return sound.get();
        }

        private void await() {
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        @Override
        void cleanUp() {
            end.countDown();
        }
    }

    /** Closing one backend breaks the others. */
    static final class OneClosesAll extends Fault {
        private volatile boolean anyClosed;

        @Override
        void closed(int times) {
            anyClosed = true;
        }

        @Override
        HostTensor download(MutantHandle handle, HostTensor sound) {
            return anyClosed
                    ? HostTensor.allocate(sound.dtype(), Shape.of(sound.shape().toArray()))
                    : sound;
        }
    }

    /** Closing a backend takes its tensors along. */
    static final class TensorsGoWithTheBackend extends Fault {
        private volatile boolean closed;

        @Override
        Backend open(BackendOptions options, Supplier<Backend> sound) {
            closed = false;
            return sound.get();
        }

        @Override
        void closed(int times) {
            closed = true;
        }

        @Override
        HostTensor download(MutantHandle handle, HostTensor sound) {
            if (closed) {
                throw new IllegalStateException("this tensor's memory has been freed");
            }
            return sound;
        }
    }
}
