package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 3, third part: operations through the methods of {@link Tensor}, as users call them. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TensorMethodRules {

    private final Bench bench;

    public TensorMethodRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("3.23")
    Stream<Trial> axesFromTheEndMeanWhatTheyMeanInPython() {
        return bench.floats().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    HostTensor data = new Inputs(attempt.random(0), type).normal(4, 6, 7);
                    Tensor x = new TensorFactory(bench.backend()).of(data);
                    equal("softmax(-1)", x.softmax(-1), x.softmax(2));
                    equal("sum(-2)", x.sum(-2), x.sum(1));
                    equal("mean(-3)", x.mean(-3), x.mean(0));
                    equal("argmax(-1)", x.argmax(-1), x.argmax(2));
                    equal("transpose(-1, -2)", x.transpose(-1, -2), x.transpose(1, 2));
                    equal("unsqueeze(-1)", x.unsqueeze(-1), x.reshape(4, 6, 7, 1));
                    equal("slice(-1, -3, -1)", x.slice(-1, -3, -1), x.slice(2, 4, 6));
                    equal("pick(-2, -1)", x.pick(-2, -1), x.pick(1, 5));
                    equal("concat(-1)", Tensor.concat(-1, x, x), Tensor.concat(2, x, x));
                    equal("cumsum(-2)", x.cumsum(-2), x.cumsum(1));
                }));
    }

    @Rule("3.25")
    void wantOfMemoryIsSaid(Attempt attempt) {
        TensorFactory tensors = new TensorFactory(bench.backend());
        Tensor x = tensors.of(new Inputs(attempt.random(0), DType.FLOAT32).normal(4, 6));
        Tensor before = x.softmax(1);
        Refusal.of(
                        "a tensor of 4 PiB",
                        OutOfTensorMemoryException.class,
                        () -> tensors.full(DType.FLOAT32, 1, 1L << 50).close())
                .hasMessageContaining("float32")
                .hasMessageContaining(Long.toString(1L << 50));
        equal("softmax, after a tensor found no room", x.softmax(1), before);
    }

    private static void equal(String what, Tensor found, Tensor expected) {
        assertThat(found.shape()).as("the shape of " + what).isEqualTo(expected.shape());
        Comparison.of(found.toHost(), expected.toHost(), null).check(what);
    }
}
