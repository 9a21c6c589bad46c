package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same bits in every run: on any number of threads, and beside other runs. */
class DeterminismTest {

    /** An op on inputs so large that its work is spread. */
    private record Case(Op op, List<HostTensor> inputs) {

        @Override
        public String toString() {
            return op + " of " + inputs;
        }
    }

    private static HostTensor random(DType type, long... sizes) {
        return Numbers.random(type, 42, sizes);
    }

    static Stream<Case> cases() {
        return Stream.of(DType.FLOAT32, DType.FLOAT64).flatMap(type -> {
            HostTensor x = random(type, 150, 1500);
            HostTensor row = random(type, 1500);
            return Stream.of(
                    new Case(new Op.Unary(Op.UnaryKind.EXP), List.of(x)),
                    new Case(new Op.Activation(Op.ActivationKind.GELU), List.of(x)),
                    new Case(new Op.Binary(Op.BinaryKind.DIV), List.of(x, row)),
                    new Case(new Op.Binary(Op.BinaryKind.MAX), List.of(x, row)),
                    new Case(new Op.Where(), List.of(random(DType.BOOL, 150, 1), x, row)),
                    new Case(new Op.Cast(DType.INT64), List.of(x)),
                    new Case(new Op.Transpose(List.of(1, 0)), List.of(x)),
                    new Case(new Op.Reduce(Op.ReduceKind.SUM, List.of(1), false), List.of(x)),
                    new Case(new Op.Reduce(Op.ReduceKind.MEAN, List.of(0), false), List.of(x)),
                    new Case(new Op.Reduce(Op.ReduceKind.PROD, List.of(0, 1), false), List.of(x)),
                    new Case(new Op.ArgReduce(true, 1, false), List.of(x)),
                    new Case(new Op.TopK(5, 1, true), List.of(x)),
                    new Case(new Op.CumSum(0), List.of(x)),
                    new Case(new Op.Softmax(1), List.of(x)),
                    new Case(new Op.LogSoftmax(0), List.of(x)),
                    new Case(new Op.LayerNorm(1e-5), List.of(x, row, row)),
                    new Case(new Op.RmsNorm(1e-5), List.of(x, row)),
                    new Case(new Op.MatMul(), List.of(x, random(type, 1500, 777))),
                    new Case(new Op.MatMul(), List.of(random(type, 20, 65, 30), random(type, 20, 30, 70))),
                    new Case(new Op.Linear(), List.of(x, random(type, 1500, 1025), random(type, 1025))));
        });
    }

    @ParameterizedTest
    @MethodSource("cases")
    void theNumberOfThreadsDoesNotShow(Case one) {
        HostTensor[] inputs = one.inputs.toArray(new HostTensor[0]);
        List<HostTensor> alone;
        try (Backend backend = OpTest.open(1)) {
            alone = OpTest.runAll(backend, one.op, inputs);
        }
        for (int threads : new int[] {2, 3, 7}) {
            try (Backend backend = OpTest.open(threads)) {
                for (int repetition = 0; repetition < 3; repetition++) {
                    List<HostTensor> shared = OpTest.runAll(backend, one.op, inputs);
                    for (int i = 0; i < alone.size(); i++) {
                        Numbers.assertSame(shared.get(i), alone.get(i));
                    }
                }
            }
        }
    }

    @Test
    void runsBesideEachOtherDoNotDisturbEachOther() throws Exception {
        List<Case> all = cases().toList();
        ExecutorService users = Executors.newFixedThreadPool(4);
        try (Backend alone = OpTest.open(1);
                Backend shared = OpTest.open(2)) {
            List<Callable<List<HostTensor>>> runs = new ArrayList<>();
            for (Case one : all) {
                runs.add(() -> OpTest.runAll(shared, one.op, one.inputs.toArray(new HostTensor[0])));
            }
            List<Future<List<HostTensor>>> results = users.invokeAll(runs);
            for (int i = 0; i < all.size(); i++) {
                Case one = all.get(i);
                List<HostTensor> expected = OpTest.runAll(alone, one.op, one.inputs.toArray(new HostTensor[0]));
                List<HostTensor> found = results.get(i).get();
                assertThat(found).as("%s", one).hasSameSizeAs(expected);
                for (int j = 0; j < found.size(); j++) {
                    Numbers.assertSame(found.get(j), expected.get(j));
                }
            }
        } finally {
            users.shutdown();
        }
    }
}
