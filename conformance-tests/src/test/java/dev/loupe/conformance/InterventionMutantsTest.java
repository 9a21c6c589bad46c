package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Backends;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Models.Kind;
import dev.loupe.conformance.kit.Models.Pair;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.conformance.rules.InterventionCheck;
import dev.loupe.conformance.rules.InterventionCheck.Twice;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Interventions that do something else than they say, with one fault each: section 10 finds them. */
class InterventionMutantsTest {

    private static final List<String> POINTS =
            List.of("blocks.0.attn.hook_pattern", "blocks.0.attn.hook_z", "blocks.1.hook_resid_pre");

    private static Bench bench;
    private static Models models;
    private static Pair pair;
    private static Tokens tokens;

    @BeforeAll
    static void open() {
        BackendProvider reference = Backends.all().stream()
                .filter(seen -> seen.id().equals("reference"))
                .map(Backends.Seen::provider)
                .filter(Objects::nonNull)
                .findFirst()
                .orElseThrow();
        bench = new Bench(reference, BackendOptions.DEFAULT);
        models = new Models(bench, 1);
        pair = models.pair(new Kind("gpt2", false), DType.FLOAT32);
        tokens = Traces.tokens(pair.mine(), new SplittableRandom(2), false);
    }

    @AfterAll
    static void close() {
        models.close();
        bench.close();
    }

    /** A fault, and what it is: what the run is told instead. */
    private record Mutant(String name, UnaryOperator<List<Edit>> fault) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** A fault in each single intervention. */
    private static Mutant each(String name, UnaryOperator<Intervention> fault) {
        return new Mutant(
                name,
                edits -> edits.stream()
                        .map(edit -> edit instanceof Intervention one ? fault.apply(one) : edit)
                        .toList());
    }

    /** A fault in what is done. */
    private static Mutant action(String name, UnaryOperator<Intervention.Action> fault) {
        return each(name, one -> new Intervention(one.point(), one.selection(), fault.apply(one.action())));
    }

    /** A fault in places of an axis. */
    private static Mutant places(String name, Selection.Which which, UnaryOperator<Selection.At> fault) {
        return selected(
                name,
                places -> places instanceof Selection.At at ? fault.apply(at) : places,
                part -> part.which() == which);
    }

    /** A fault in positions that are told otherwise than by numbers. */
    private static Mutant positions(String name, UnaryOperator<Selection.Places> fault) {
        return selected(name, fault, part -> part.which() == Selection.Which.POS);
    }

    private static Mutant selected(
            String name, UnaryOperator<Selection.Places> fault, Predicate<Selection.Part> where) {
        return each(name, one -> {
            List<Selection.Part> parts = new ArrayList<>();
            for (Selection.Part part : one.selection().parts()) {
                parts.add(where.test(part) ? new Selection.Part(part.which(), fault.apply(part.places())) : part);
            }
            return new Intervention(one.point(), new Selection(parts), one.action());
        });
    }

    private static Selection.At next(Selection.At places) {
        return new Selection.At(places.places().stream()
                .map(place -> place == 2 ? 1 : place < 0 ? place - 1 : place + 1)
                .toList());
    }

    private static Mutant without(String name, Selection.Which which) {
        return each(
                name,
                one -> new Intervention(
                        one.point(),
                        new Selection(one.selection().parts().stream()
                                .filter(part -> part.which() != which)
                                .toList()),
                        one.action()));
    }

    private static HostTensor first(HostTensor rows) {
        long width = rows.shape().size(-1);
        double[] one = Arrays.copyOf(rows.toDoubleArray(), (int) width);
        return HostTensor.of(Shape.of(1, width), one).to(rows.dtype());
    }

    private static HostTensor reversed(HostTensor vector) {
        double[] numbers = vector.toDoubleArray();
        double[] turned = new double[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            turned[i] = numbers[numbers.length - 1 - i];
        }
        return HostTensor.of(vector.shape(), turned).to(vector.dtype());
    }

    private static Intervention.Values values(Intervention.Values old, UnaryOperator<HostTensor> fault) {
        HostTensor numbers = old.numbers();
        return numbers == null ? old : Intervention.Values.of(fault.apply(numbers));
    }

    static Stream<Mutant> mutants() {
        return Stream.of(
                new Mutant(
                        "dropped",
                        edits -> edits.stream()
                                .filter(edit -> !(edit instanceof Intervention))
                                .toList()),
                new Mutant("dropped but for the first", edits -> edits.isEmpty() ? edits : edits.subList(0, 1)),
                each("the whole instead of a part", one -> new Intervention(one.point(), Selection.ALL, one.action())),
                without("all sequences", Selection.Which.BATCH),
                without("all heads", Selection.Which.HEAD),
                without("all positions", Selection.Which.POS),
                without("the whole last axis", Selection.Which.DIM),
                places("the next sequence", Selection.Which.BATCH, InterventionMutantsTest::next),
                places("the next head", Selection.Which.HEAD, InterventionMutantsTest::next),
                places("the next position", Selection.Which.POS, InterventionMutantsTest::next),
                places("the next place of the last axis", Selection.Which.DIM, InterventionMutantsTest::next),
                places("the next key", Selection.Which.KEY, InterventionMutantsTest::next),
                positions(
                        "the last column instead of the last real token",
                        places -> places instanceof Selection.LastReal ? new Selection.At(List.of(-1L)) : places),
                positions(
                        "the next row's position",
                        places -> places instanceof Selection.EachRow each
                                ? new Selection.EachRow(List.of(
                                        each.places().get(1),
                                        each.places().get(2),
                                        each.places().get(0)))
                                : places),
                positions(
                        "the first row's position in all",
                        places -> places instanceof Selection.EachRow each
                                ? new Selection.At(each.places().subList(0, 1))
                                : places),
                positions(
                        "columns instead of tokens of the prompt",
                        places -> places instanceof Selection.OfPrompt prompt
                                ? new Selection.At(prompt.places())
                                : places),
                action("nothing patched", old -> old instanceof Intervention.Patch ? new Intervention.Scale(1) : old),
                action(
                        "a derivative that goes on",
                        old -> old instanceof Intervention.Stop ? new Intervention.Scale(1) : old),
                action(
                        "a mean of padding too",
                        old -> old instanceof Intervention.Mean mean
                                        && mean.axes().equals(List.of(Axis.POS))
                                ? new Intervention.Function(
                                        (x, scope) -> x.mul(0).add(x.mean(1).unsqueeze(1)), Map.of())
                                : old),
                action(
                        "set instead of added",
                        old -> old instanceof Intervention.Add add ? new Intervention.Set(add.value()) : old),
                action(
                        "added instead of set",
                        old -> old instanceof Intervention.Set set ? new Intervention.Add(set.value()) : old),
                action(
                        "a wrong sign",
                        old -> old instanceof Intervention.Scale scale ? new Intervention.Scale(-scale.factor()) : old),
                action(
                        "a factor twice",
                        old -> old instanceof Intervention.Scale scale
                                ? new Intervention.Scale(scale.factor() * Math.abs(scale.factor()))
                                : old),
                action("nearly zero", old -> old instanceof Intervention.Zero ? new Intervention.Scale(0.5) : old),
                action(
                        "a mean over another axis",
                        old -> old instanceof Intervention.Mean ? new Intervention.Mean(List.of(Axis.BATCH)) : old),
                action(
                        "the first of two directions",
                        old -> old instanceof Intervention.ProjectOut out
                                ? new Intervention.ProjectOut(values(out.directions(), InterventionMutantsTest::first))
                                : old),
                action(
                        "a vector back to front",
                        old -> old instanceof Intervention.Add add
                                ? new Intervention.Add(values(add.value(), InterventionMutantsTest::reversed))
                                : old),
                action(
                        "a function applied twice",
                        old -> old instanceof Intervention.Function own
                                ? new Intervention.Function(
                                        (x, scope) -> own.function()
                                                .apply(own.function().apply(x, scope), scope),
                                        own.inputs())
                                : old),
                action(
                        "a derivative to what was replaced",
                        old -> old instanceof Intervention.Set set
                                ? new Intervention.Function(
                                        (x, scope) -> x.add(x.stopGradient()
                                                .mul(-1)
                                                .add(set.value().factor())),
                                        Map.of())
                                : old),
                action(
                        "no derivative through a factor",
                        old -> old instanceof Intervention.Scale scale
                                ? new Intervention.Function(
                                        (x, scope) -> x.stopGradient().mul(scale.factor()), Map.of())
                                : old),
                new Mutant("back to front", edits -> {
                    List<Edit> turned = new ArrayList<>(edits);
                    Collections.reverse(turned);
                    return turned;
                }),
                new Mutant("code before data", edits -> {
                    List<Edit> sorted = new ArrayList<>(edits);
                    sorted.sort(Comparator.comparing(edit -> edit instanceof Hook ? 0 : 1));
                    return sorted;
                }));
    }

    @ParameterizedTest
    @MethodSource("mutants")
    void aFaultIsFound(Mutant mutant) {
        assertThatThrownBy(() -> check(mutant.fault())).isInstanceOf(AssertionError.class);
    }

    @Test
    void withoutAFaultNothingIsFound() {
        assertThatCode(() -> check(edits -> edits)).doesNotThrowAnyException();
    }

    private static void check(UnaryOperator<List<Edit>> fault) {
        InterventionCheck check =
                new InterventionCheck(pair, tokens, (operation, type, comparison, where) -> {}, fault);
        check.order("blocks.1.hook_resid_pre");
        for (String name : POINTS) {
            HookPoint point = pair.mine().hookNames().resolve(name);
            for (Twice action : check.actions(point)) {
                check.effect(point, action);
                check.derivative(action.intervention(), new SplittableRandom(3));
            }
        }
    }
}
