package dev.loupe.conformance.report;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * Which rules name the cause when many are broken: those that try one thing alone come before those that try it with
 * everything else. Swapped outputs of graphs, say, break half of sections 3 to 10, and one rule says why.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Causes {

    /** Rules and sections; what stands first explains what comes after. */
    private static final List<String> ORDER = List.of(
            "1", "2", "3.1", "3.21", "4.2", "4.4", "4.3", "4.18", "11.1", "11.2", "11.3", "3.2", "3.3", "3.4", "3.5",
            "3.12", "8.3", "8.4", "11.4", "11.5", "3", "8.2", "8.1", "4.1", "4.5", "4.8", "4.9", "4.6", "4.7", "6",
            "9.1", "9.2", "9.3", "4", "5", "8", "11", "9", "10", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.15",
            "7.18", "7.13", "7.16", "7.17", "7.12", "7.8", "7.9", "7.10", "7.14", "7.11", "7");

    private Causes() {}

    /** Orders rules by what explains what; those of one section as they are numbered. */
    public static Comparator<Spec.Entry> first() {
        return Comparator.comparingInt((Spec.Entry rule) -> rank(rule))
                .thenComparingInt(Spec.Entry::section)
                .thenComparingInt(Spec.Entry::number);
    }

    /** Where to begin when several rules are broken, in words; nothing to say if it is one alone. */
    public static Optional<String> inWords(Collection<String> broken) {
        List<String> rules = broken.stream()
                .distinct()
                .filter(Spec.get()::has)
                .map(Spec.get()::rule)
                .sorted(first())
                .map(Spec.Entry::id)
                .toList();
        if (rules.size() < 2) {
            return Optional.empty();
        }
        Spec.Entry cause = Spec.get().rule(rules.get(0));
        return Optional.of("rule " + cause.id() + ", " + cause.text() + " The failures of "
                + String.join(", ", rules.subList(1, rules.size())) + " may follow from it.");
    }

    private static int rank(Spec.Entry rule) {
        int own = ORDER.indexOf(rule.id());
        int section = ORDER.indexOf(Integer.toString(rule.section()));
        return own >= 0 ? own : section >= 0 ? section : ORDER.size();
    }
}
