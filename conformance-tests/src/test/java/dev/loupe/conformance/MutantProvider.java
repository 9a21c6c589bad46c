package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.InterpretingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.function.Supplier;

/** Offers a backend that computes on the reference and has one {@link Fault}. */
public final class MutantProvider implements BackendProvider {

    static final String ID = "mutant";

    private static volatile Fault fault = Fault.NONE;

    /** For {@link ServiceLoader}. */
    public MutantProvider() {}

    /** What is wrong from now on. */
    static void inflict(Fault next) {
        fault = next;
    }

    static BackendProvider reference() {
        return ServiceLoader.load(BackendProvider.class).stream()
                .filter(candidate -> candidate.type() != MutantProvider.class)
                .map(ServiceLoader.Provider::get)
                .filter(candidate -> candidate.id().equals("reference"))
                .findFirst()
                .orElseThrow();
    }

    @Override
    public String id() {
        return fault.id();
    }

    @Override
    public int spiVersion() {
        return fault.spiVersion();
    }

    @Override
    public Availability probe() {
        return fault.probe(reference());
    }

    @Override
    public Backend open(BackendOptions options) {
        Fault now = fault;
        return now.open(options, () -> new Mutant(reference().open(options), now));
    }

    /** Opens a sound mutant on the CPU, whatever was asked for. */
    static Backend openOnCpu() {
        return new Mutant(reference().open(BackendOptions.DEFAULT), fault);
    }

    private static final class Mutant extends InterpretingBackend {
        private final Backend real;
        private final Fault fault;
        private final ThreadLocal<Boolean> inGraph = ThreadLocal.withInitial(() -> false);
        private int closed;

        Mutant(Backend real, Fault fault) {
            this.real = real;
            this.fault = fault;
        }

        @Override
        public String id() {
            return ID;
        }

        @Override
        public String device() {
            return "cpu";
        }

        @Override
        public Capabilities capabilities() {
            return fault.capabilities(real.capabilities());
        }

        @Override
        public TensorHandle upload(HostTensor data, Placement placement) {
            return new MutantHandle(fault.upload(data), false);
        }

        @Override
        public HostTensor download(TensorHandle handle) {
            MutantHandle mine = MutantHandle.of(handle);
            return fault.download(mine, mine.data());
        }

        @Override
        protected boolean implementsComposite(Op op) {
            return true;
        }

        @Override
        protected List<TensorHandle> compute(Op op, List<TensorHandle> inputs) {
            Supplier<List<TensorHandle>> sound = () -> {
                List<HostTensor> data = new ArrayList<>();
                inputs.forEach(input -> data.add(MutantHandle.of(input).data()));
                List<HostTensor> results = fault.compute(op, data, (what, from) -> OnBackend.execute(real, what, from));
                return wrap(results, false);
            };
            return inGraph.get() ? sound.get() : fault.execute(op, inputs, sound);
        }

        @Override
        public PreparedGraph prepare(Segment segment, WeightSource weights) {
            PreparedGraph inner = super.prepare(fault.segment(segment), fault.weights(weights));
            PreparedGraph marking = new Fault.Wrapped(inner) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    inGraph.set(true);
                    try {
                        List<HostTensor> results = new ArrayList<>();
                        for (TensorHandle result : super.run(inputs, wanted)) {
                            results.add(MutantHandle.of(result).data());
                            result.close();
                        }
                        return wrap(results, true);
                    } finally {
                        inGraph.remove();
                    }
                }
            };
            return fault.prepare(segment, marking);
        }

        private static List<TensorHandle> wrap(List<HostTensor> results, boolean fromGraph) {
            List<TensorHandle> handles = new ArrayList<>();
            results.forEach(result -> handles.add(new MutantHandle(result, fromGraph)));
            return handles;
        }

        @Override
        public void close() {
            closed++;
            fault.closed(closed);
            real.close();
        }
    }
}
