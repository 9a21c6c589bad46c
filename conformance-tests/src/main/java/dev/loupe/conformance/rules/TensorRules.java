package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.conformance.cases.MovementCases;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.graph.Op;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 2: data in and out, and what is declared. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TensorRules {

    private static final List<Shape> SHAPES = List.of(
            Shape.SCALAR,
            Shape.of(1),
            Shape.of(7),
            Shape.of(702),
            Shape.of(0),
            Shape.of(2, 0, 3),
            Shape.of(31, 64),
            Shape.of(2, 3, 4, 5, 6));

    private final Bench bench;

    public TensorRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("2.1")
    void theCapabilitiesFitTogether(Attempt attempt) {
        Capabilities capabilities = bench.capabilities();
        assertThat(capabilities.dtypes()).as("declared types").contains(DType.FLOAT32, DType.INT64, DType.BOOL);
        assertThat(capabilities.computeDTypes())
                .as("types to compute in")
                .contains(DType.FLOAT32)
                .isSubsetOf(capabilities.dtypes())
                .allMatch(DType::isFloating, "floating-point");
        assertThat(bench.backend().capabilities())
                .as("capabilities, asked again")
                .isEqualTo(capabilities);
    }

    @Rule("2.2")
    Stream<Trial> whatIsUploadedComesBack() {
        return bench.types().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    Inputs inputs = new Inputs(attempt.random(0), type);
                    List<HostTensor> cases = new ArrayList<>();
                    for (Shape shape : SHAPES) {
                        cases.add(inputs.tensor(shape, Pattern.WIDE, Domain.ANY));
                        cases.add(inputs.tensor(shape, Pattern.SPECIAL, Domain.ANY));
                    }
                    attempt.each(cases, HostTensor::toString, this::comesBack);
                }));
    }

    private void comesBack(HostTensor data) {
        Backend backend = bench.backend();
        try (OnBackend.Handles handles = new OnBackend.Handles(backend)) {
            HostTensor back = handles.download(handles.upload(data));
            assertThat(back.dtype()).isEqualTo(data.dtype());
            assertThat(back.shape()).isEqualTo(data.shape());
            Comparison.of(back, data, null).check("what came back");
        }
    }

    @Rule("2.3")
    Stream<Trial> anUndeclaredTypeIsRefused() {
        return bench.undeclared().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    HostTensor data = HostTensor.allocate(type, Shape.of(3));
                    Refusal.of(
                                    String.format("uploading %s, which is not among the capabilities", type),
                                    UnsupportedOperationException.class,
                                    () -> bench.backend()
                                            .upload(data, Placement.ANYWHERE)
                                            .close())
                            .hasMessageContaining(type.label());
                }));
    }

    @Rule("2.4")
    Stream<Trial> aHandleTellsWhatItHolds() {
        return bench.types().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    Inputs inputs = new Inputs(attempt.random(0), type);
                    attempt.each(SHAPES, Shape::toString, shape -> {
                        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                            TensorHandle handle = handles.upload(inputs.tensor(shape, Pattern.NORMAL, Domain.ANY));
                            assertThat(handle.dtype()).as("dtype()").isEqualTo(type);
                            assertThat(handle.shape()).as("shape()").isEqualTo(shape);
                            assertThat(handle.device())
                                    .as("device()")
                                    .isEqualTo(bench.backend().device());
                            assertThat(handle.nativeBytes()).as("nativeBytes()").isNotNegative();
                        }
                    });
                }));
    }

    @Rule("2.5")
    Stream<Trial> everyBufferIsTaken() {
        return bench.types().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    HostTensor data =
                            new Inputs(attempt.random(0), type).tensor(Shape.of(7, 31), Pattern.WIDE, Domain.ANY);
                    int bytes = data.data().capacity();
                    ByteBuffer heap = ByteBuffer.allocate(bytes).put(0, data.data(), 0, bytes);
                    ByteBuffer larger = ByteBuffer.allocateDirect(bytes + 24).put(8, data.data(), 0, bytes);
                    ByteBuffer largerHeap = ByteBuffer.allocate(bytes + 24).put(8, data.data(), 0, bytes);
                    ByteBuffer shifted = larger.duplicate().position(3);
                    int part = 3 * 31 * type.bytes();
                    List<List<ByteBuffer>> buffers = List.of(
                            List.of(heap),
                            List.of(heap.asReadOnlyBuffer()),
                            List.of(larger.slice(8, bytes)),
                            List.of(larger.slice(8, bytes).asReadOnlyBuffer()),
                            List.of(largerHeap.slice(8, bytes)),
                            List.of(shifted.slice(8 - shifted.position() + 3, bytes)),
                            List.of(
                                    larger.slice(8, part),
                                    heap.slice(part, part),
                                    larger.slice(8 + 2 * part, bytes - 2 * part)));
                    attempt.each(buffers, List::toString, parts -> {
                        HostTensor view = new HostTensor(type, data.shape(), parts);
                        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                            TensorHandle handle = handles.upload(view);
                            Comparison.of(handles.download(handle), data, null).check("what came back");
                        }
                    });
                    if (!bench.backend().keepsUploads()) {
                        // To an engine, one row is one column too, laid out for either without being copied.
                        for (Shape shape : List.of(data.shape(), Shape.of(7, 1), Shape.of(1, 31))) {
                            checkThatNothingIsKept(
                                    new Inputs(attempt.random(1), type).tensor(shape, Pattern.WIDE, Domain.ANY));
                        }
                    }
                }));
    }

    private void checkThatNothingIsKept(HostTensor data) {
        for (boolean factor : new boolean[] {false, true}) {
            HostTensor used = HostTensor.allocate(data.dtype(), data.shape());
            used.data().put(0, data.data(), 0, data.data().capacity());
            TensorHandle handle = bench.backend().upload(used, new Placement(0, 1, factor));
            used.data().put(0, new byte[used.data().capacity()]);
            TensorHandle next = bench.backend().upload(used, new Placement(0, 1, factor));
            try {
                Comparison.of(bench.backend().download(handle), data, null)
                        .check("what came back once the buffer that was uploaded was used for something else, and"
                                + " uploaded again");
            } finally {
                handle.close();
                next.close();
            }
        }
    }

    @Rule("2.6")
    Stream<Trial> whatWasDownloadedStaysTrue() {
        return bench.types().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    Inputs inputs = new Inputs(attempt.random(0), type);
                    HostTensor data = inputs.tensor(Shape.of(207, 31), Pattern.WIDE, Domain.ANY);
                    TensorHandle handle = bench.backend().upload(data, Placement.ANYWHERE);
                    HostTensor read;
                    try {
                        read = bench.backend().download(handle);
                    } finally {
                        handle.close();
                    }
                    // What is freed is likely to be used for the next tensors of the same size.
                    try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                        for (int i = 0; i < 16; i++) {
                            handles.upload(inputs.tensor(data.shape(), Pattern.NORMAL, Domain.ANY));
                        }
                        Comparison.of(read, data, null).check("what was downloaded, after its handle was closed");
                    }
                }));
    }

    @Rule("2.7")
    Stream<Trial> arithmeticInATypeForStorageIsRefused() {
        List<Op> ops = List.of(
                new Op.Unary(Op.UnaryKind.EXP),
                new Op.Binary(Op.BinaryKind.ADD),
                new Op.MatMul(),
                new Op.Reduce(Op.ReduceKind.SUM, List.of(0), true),
                new Op.Softmax(1),
                new Op.LayerNorm(1e-5),
                new Op.Activation(Op.ActivationKind.GELU));
        return bench.storageOnly().stream()
                .flatMap(type -> ops.stream()
                        .map(op -> new Trial(op.name() + "/" + type.label(), attempt -> {
                            Inputs inputs = new Inputs(attempt.random(0), type);
                            HostTensor x = inputs.normal(4, 4);
                            boolean two = op instanceof Op.Binary || op instanceof Op.MatMul;
                            List<HostTensor> operands = two ? List.of(x, x) : List.of(x);
                            Refusal.of(
                                            String.format(
                                                    "%s in %s, which is not among the types to compute in",
                                                    op.name(), type),
                                            UnsupportedOperationException.class,
                                            () -> OnBackend.execute(bench.backend(), op, operands))
                                    .hasMessageContaining(type.label())
                                    .satisfies(thrown -> namesAnOperation(op, thrown));
                        })));
    }

    /** A composite op that was decomposed is refused where its decomposition meets the first op that isn't. */
    private static void namesAnOperation(Op op, Throwable thrown) {
        if (!op.isComposite()) {
            assertThat(thrown).hasMessageContaining(op.name());
        }
    }

    @Rule("2.8")
    Stream<Trial> movingInATypeForStorageIsExactOrRefused() {
        return bench.storageOnly().stream()
                .flatMap(type -> MovementCases.OPERATIONS.stream()
                        .map(operation -> new Trial(operation + "/" + type.label(), attempt -> {
                            List<OpCase> cases = MovementCases.of(operation, type, attempt.random(0));
                            attempt.each(cases, OpCase::describe, this::exactOrRefused);
                        })));
    }

    private void exactOrRefused(OpCase one) {
        List<HostTensor> found;
        try {
            found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
        } catch (UnsupportedOperationException refused) {
            return;
        }
        OnBackend.checkTypes(one, found);
        Comparison.of(found.get(0), bench.oracle().outputs(one).get(0), null)
                .check(one.op().name());
    }

    @Rule("2.9")
    Stream<Trial> wholeNumbersAndBoolsAreComputedWith() {
        return bench.types().stream()
                .filter(type -> !type.isFloating())
                .map(type -> new Trial(type.label(), attempt -> {
                    List<OpCase> cases = OperationRules.allCases(type, attempt.random(0));
                    attempt.each(cases, OpCase::describe, one -> {
                        List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
                        OnBackend.checkTypes(one, found);
                    });
                }));
    }
}
