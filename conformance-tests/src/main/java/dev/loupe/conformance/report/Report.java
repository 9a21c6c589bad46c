package dev.loupe.conformance.report;

import dev.loupe.array.DType;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.Measurements;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apiguardian.api.API;

/** What a run of the kit found: the outcome of every test, and the worst error of each operation in each type. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Report implements Measurements {

    private final List<Outcome> outcomes = new ArrayList<>();
    private final Map<Measured, Worst> worst =
            new TreeMap<>(Comparator.comparing(Measured::operation).thenComparing(Measured::dtype));

    /** How a test ended. */
    public enum Result {
        /** The rule holds. */
        PASSED,
        /** It doesn't. */
        FAILED,
        /** It doesn't, and that is listed with a reason. */
        DEVIATION,
        /** It is listed as a deviation and holds. */
        UNEXPECTED_PASS;

        /** Whether the kit fails because of it. */
        boolean isBad() {
            return this == FAILED || this == UNEXPECTED_PASS;
        }
    }

    /**
     * How one test ended.
     *
     * @param rule the rule's number; empty for the test of the deviations file itself
     * @param message what was found, or why the deviation is known; empty if the test passed
     */
    public record Outcome(String rule, String subject, String title, Result result, long nanos, String message) {}

    /**
     * The largest error of an operation in a type.
     *
     * @param elements how many elements were compared
     * @param fraction error as a fraction of what is allowed
     * @param ulps error in units in the last place of the expected number
     * @param error error as a number
     * @param where the case
     */
    record Worst(
            String operation, DType dtype, long elements, double fraction, double ulps, double error, String where) {}

    public synchronized void add(Outcome outcome) {
        outcomes.add(outcome);
    }

    private record Measured(String operation, DType dtype) {}

    @Override
    public synchronized void measured(String operation, DType dtype, Comparison comparison, String where) {
        worst.merge(
                new Measured(operation, dtype),
                new Worst(
                        operation,
                        dtype,
                        comparison.elements(),
                        comparison.worstFraction(),
                        comparison.worstUlps(),
                        comparison.worstError(),
                        where),
                (before, now) -> {
                    Worst worse = now.fraction > before.fraction ? now : before;
                    return new Worst(
                            operation,
                            dtype,
                            before.elements + now.elements,
                            worse.fraction,
                            Math.max(before.ulps, now.ulps),
                            worse.error,
                            worse.where);
                });
    }

    synchronized List<Outcome> outcomes() {
        return List.copyOf(outcomes);
    }

    synchronized List<Worst> worst() {
        return List.copyOf(worst.values());
    }

    /** The tests of one rule. */
    public List<Outcome> of(String rule) {
        return outcomes().stream().filter(one -> one.rule().equals(rule)).toList();
    }

    /** What failed; what explains other failures comes first. */
    public List<Outcome> failures() {
        Comparator<Outcome> byCause = Comparator.comparing(
                (Outcome one) -> one.rule().isEmpty() ? null : Spec.get().rule(one.rule()),
                Comparator.nullsLast(Causes.first()));
        return outcomes().stream()
                .filter(one -> one.result().isBad())
                .sorted(byCause)
                .toList();
    }

    /** Where to begin when several rules are broken, in words. */
    public Optional<String> cause() {
        return Causes.inWords(failures().stream().map(Outcome::rule).toList());
    }
}
