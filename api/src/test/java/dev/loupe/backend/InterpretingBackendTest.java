package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** How the steps of a segment are carried out. */
class InterpretingBackendTest {

    /** {@code -(a + b)²}, from slots 0 and 1 by way of 2 and 3 to 4. */
    private static final Segment SEGMENT = new Segment(
            "",
            Placement.ANYWHERE,
            false,
            Collections.nCopies(5, TensorType.of(DType.FLOAT64, Shape.SCALAR)),
            List.of(0, 1),
            List.of(),
            List.of(
                    new Segment.Step(new Op.Binary(BinaryKind.ADD), List.of(0, 1), List.of(2)),
                    new Segment.Step(new Op.Binary(BinaryKind.MUL), List.of(2, 2), List.of(3)),
                    new Segment.Step(new Op.Unary(UnaryKind.NEG), List.of(3), List.of(4))),
            List.of(2, 3, 4));

    /** A number that knows whether it was freed. */
    private static final class Number implements TensorHandle {

        private final double value;
        private final Set<Number> open;

        Number(double value, Set<Number> open) {
            this.value = value;
            this.open = open;
            open.add(this);
        }

        @Override
        public DType dtype() {
            return DType.FLOAT64;
        }

        @Override
        public Shape shape() {
            return Shape.SCALAR;
        }

        @Override
        public String device() {
            return "paper";
        }

        @Override
        public long nativeBytes() {
            return 0;
        }

        @Override
        public void close() {
            assertThat(open.remove(this)).as("freed once").isTrue();
        }
    }

    /** Computes with scalars; squares and negates at once unless the square is wanted. */
    private static class Paper extends InterpretingBackend {

        final Set<Number> open = Collections.newSetFromMap(new IdentityHashMap<>());
        final List<String> done = new ArrayList<>();

        @Override
        protected List<Work> works(Segment segment, List<Segment.Step> steps, Set<Integer> wanted) {
            if (steps.size() < 3 || wanted.contains(3)) {
                return super.works(segment, steps, wanted);
            }
            return List.of(alone(steps.get(0)), new Work(List.of(2), List.of(4), inputs -> {
                done.add("negative square");
                double value = ((Number) inputs.get(0)).value;
                return List.of(new Number(-value * value, open));
            }));
        }

        @Override
        protected List<TensorHandle> compute(Op op, List<TensorHandle> inputs) {
            done.add(op.name());
            double first = ((Number) inputs.get(0)).value;
            double second = ((Number) inputs.get(inputs.size() - 1)).value;
            double result = op instanceof Op.Unary
                    ? -first
                    : op.equals(new Op.Binary(BinaryKind.ADD)) ? first + second : first * second;
            return List.of(new Number(result, open));
        }

        @Override
        public String id() {
            return "paper";
        }

        @Override
        public String device() {
            return "paper";
        }

        @Override
        public Capabilities capabilities() {
            throw new UnsupportedOperationException();
        }

        @Override
        public TensorHandle upload(HostTensor data, Placement placement) {
            return new Number(data.getDouble(0), open);
        }

        @Override
        public HostTensor download(TensorHandle handle) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void close() {}
    }

    private static List<Double> run(Paper backend, Integer... wanted) {
        TensorHandle a = new Number(1, backend.open);
        TensorHandle b = new Number(2, backend.open);
        try (PreparedGraph graph = backend.prepare(SEGMENT, Segments.NO_WEIGHTS)) {
            List<TensorHandle> results = graph.run(List.of(a, b), List.of(wanted));
            List<Double> values =
                    results.stream().map(result -> ((Number) result).value).toList();
            results.forEach(TensorHandle::close);
            a.close();
            b.close();
            assertThat(backend.open).as("what nobody freed").isEmpty();
            return values;
        }
    }

    @Test
    void stepsAreDoneAtOnceWhereABackendCan() {
        Paper backend = new Paper();
        assertThat(run(backend, 4)).containsExactly(-9.0);
        assertThat(run(backend, 4, 2)).containsExactly(-9.0, 3.0);
        assertThat(backend.done).containsExactly("add", "negative square", "add", "negative square");
    }

    @Test
    void whoeverLooksBetweenHasThemDoneOneByOne() {
        Paper backend = new Paper();
        assertThat(run(backend, 3, 4)).containsExactly(9.0, -9.0);
        assertThat(run(backend, 2)).containsExactly(3.0);
        assertThat(backend.done).containsExactly("add", "mul", "neg", "add");
    }
}
