package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.OpFamily;
import dev.loupe.conformance.cases.Views;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.OnBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 3, third part: operations on what many engines keep as strides into other memory. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ViewRules {

    private final Bench bench;

    public ViewRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("3.27")
    Stream<Trial> operationsOnViews() {
        return OpFamily.every().stream()
                .filter(family -> family.takes().includes(DType.FLOAT32))
                .map(family -> new Trial(family.operation() + "/float32", attempt -> {
                    List<Viewed> cases = viewed(family, attempt.random(0));
                    attempt.each(cases, Viewed::describe, viewed -> run(viewed, attempt));
                }));
    }

    /** An operation whose inputs are views, as far as their shapes allow. */
    private record Viewed(OpCase one, Views way) {
        String describe() {
            return one.describe() + ", " + way.name().toLowerCase(Locale.ROOT);
        }
    }

    private static List<Viewed> viewed(OpFamily family, SplittableRandom random) {
        List<OpCase> all = family.maker().cases(DType.FLOAT32, random);
        // One of several axes, so that turning them matters.
        OpCase one = all.stream()
                .filter(candidate -> candidate.inputs().stream()
                        .anyMatch(input -> Views.TRANSPOSED.suits(input.shape())
                                && Arrays.stream(input.shape().toArray()).min().orElse(0) > 1))
                .findFirst()
                .orElse(all.get(0));
        return Stream.of(Views.values()).map(way -> new Viewed(one, way)).toList();
    }

    private void run(Viewed viewed, Attempt attempt) {
        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
            List<TensorHandle> operands = new ArrayList<>();
            List<HostTensor> contents = new ArrayList<>();
            for (HostTensor input : viewed.one().inputs()) {
                if (!viewed.way().suits(input.shape())) {
                    operands.add(handles.upload(input));
                    contents.add(input);
                    continue;
                }
                Views.View view = viewed.way().of(input);
                List<TensorHandle> base = List.of(handles.upload(view.base()));
                operands.add(
                        handles.adopt(bench.backend().execute(view.op(), base)).get(0));
                contents.add(view.contents());
            }
            List<HostTensor> found = handles.download(
                    handles.adopt(bench.backend().execute(viewed.one().op(), operands)));
            OpCase plain = new OpCase(viewed.one().op(), contents, viewed.describe());
            OnBackend.checkTypes(plain, found);
            OperationRules.compare(plain, found, bench.oracle(), attempt.report());
        }
    }
}
