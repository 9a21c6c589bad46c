package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;

/** Backends that answer wrongly: their users are told who did, and in which method. */
@NullUnmarked
class AnswersTest {

    private record Handle(DType dtype, Shape shape) implements TensorHandle {
        @Override
        public long nativeBytes() {
            return 0;
        }

        @Override
        public String device() {
            return "cpu";
        }

        @Override
        public void close() {}
    }

    private static final Handle TWO = new Handle(DType.FLOAT32, Shape.of(2));

    /** Answers what it is told to, by the name of the method. */
    private static Backend backend(Map<String, Object> answers) {
        return (Backend) Proxy.newProxyInstance(
                AnswersTest.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (self, method, arguments) -> switch (method.getName()) {
                    case "id" -> "faulty";
                    case "device" -> "cpu";
                    case "toString" -> "faulty";
                    case "hashCode" -> System.identityHashCode(self);
                    case "equals" -> self == arguments[0];
                    case "capabilities" -> new Capabilities(Set.of(DType.FLOAT32), Set.of(DType.FLOAT32), true);
                    default -> answers.get(method.getName());
                });
    }

    private static void refused(String message, ThrowingCallable call) {
        assertThatIllegalStateException()
                .isThrownBy(call)
                .withMessageStartingWith("The backend 'faulty' (")
                .withMessageContaining(message)
                .withMessageContaining("What to do: tell its makers");
    }

    @Test
    void whatComesBackFromAnUploadIsWhatWasUploaded() {
        HostTensor data = HostTensor.of(Shape.of(2), 1f, 2f);
        refused("answered null to upload()", () -> new TensorFactory(backend(Map.of())).of(data));
        refused(
                "answered float64 [2] for float32 [2] to upload()",
                () -> new TensorFactory(backend(Map.of("upload", new Handle(DType.FLOAT64, Shape.of(2))))).of(data));
        refused(
                "answered float32 [1, 2] for float32 [2] to upload()",
                () -> new TensorFactory(backend(Map.of("upload", new Handle(DType.FLOAT32, Shape.of(1, 2))))).of(data));
    }

    @Test
    void whatComesBackFromADownloadIsWhatTheHandleSays() {
        refused(
                "answered null to download()",
                () -> Tensor.wrap(backend(Map.of()), TWO).toHost());
        HostTensor longer = HostTensor.of(Shape.of(3), 1f, 2f, 3f);
        refused(
                "answered float32 [3] for float32 [2] to download()",
                () -> Tensor.wrap(backend(Map.of("download", longer)), TWO).toHost());
    }

    @Test
    void anOperationAnswersAsManyTensorsAsItHas() {
        Op op = new Op.Unary(Op.UnaryKind.NEG);
        for (Map.Entry<List<TensorHandle>, String> answer : Map.of(
                        List.<TensorHandle>of(), "0 tensors where 1 were asked for",
                        List.<TensorHandle>of(TWO, TWO), "2 tensors where 1 were asked for",
                        Arrays.asList((TensorHandle) null), "null for tensor 0 of 1")
                .entrySet()) {
            Backend backend = backend(Map.of("execute", answer.getKey()));
            refused(
                    answer.getValue() + " to execute()",
                    () -> Tensor.execute(backend, op, List.of(Tensor.wrap(backend, TWO))));
        }
        Backend sound = backend(Map.of("execute", List.of(TWO)));
        assertThat(Tensor.execute(sound, op, List.of(Tensor.wrap(sound, TWO)))).hasSize(1);
    }
}
