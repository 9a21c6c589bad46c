package dev.loupe.graph;

import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * The size of one axis in a graph: a number, a symbol such as {@code batch}, or a sum of products of symbols and
 * numbers such as {@code past + pos}. Symbols get their values when a run is fed.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Dim {

    private static final String TIMES = "*";
    private static final SortedMap<String, Long> NO_TERMS = Collections.emptySortedMap();
    private static final Dim[] SMALL = new Dim[64];

    static {
        for (int i = 0; i < SMALL.length; i++) {
            SMALL[i] = new Dim(i, NO_TERMS);
        }
    }

    private final long constant;
    private final SortedMap<String, Long> terms; // factors in ascending order, joined; what they are multiplied by

    private Dim(long constant, SortedMap<String, Long> terms) {
        this.constant = constant;
        this.terms = terms;
    }

    /** A fixed size. */
    public static Dim of(long size) {
        return size >= 0 && size < SMALL.length ? SMALL[(int) size] : new Dim(size, NO_TERMS);
    }

    /**
     * A size that is known only when the graph runs.
     *
     * @throws IllegalArgumentException if the name contains {@code *}
     */
    public static Dim symbol(String name) {
        if (name.isEmpty() || name.contains(TIMES)) {
            throw new IllegalArgumentException("'" + name + "' is no name for a size: it is empty or contains '*'");
        }
        return new Dim(0, new TreeMap<>(Map.of(name, 1L)));
    }

    /** Fixed sizes, one for each number. */
    public static Dim[] all(long... sizes) {
        Dim[] dims = new Dim[sizes.length];
        for (int i = 0; i < sizes.length; i++) {
            dims[i] = of(sizes[i]);
        }
        return dims;
    }

    /** Whether the size is a plain number. */
    public boolean isFixed() {
        return terms.isEmpty();
    }

    /** Whether the size is exactly {@code number}. */
    public boolean is(long number) {
        return isFixed() && constant == number;
    }

    /**
     * The number, of a fixed size.
     *
     * @throws IllegalStateException if the size is symbolic
     */
    public long value() {
        if (!isFixed()) {
            throw new IllegalStateException("The size '" + this + "' is known only when the graph runs");
        }
        return constant;
    }

    /** The sum of two sizes. */
    public Dim plus(Dim other) {
        if (isFixed() && other.isFixed()) {
            return of(counted(() -> Math.addExact(constant, other.constant), "+", other));
        }
        SortedMap<String, Long> sum = new TreeMap<>(terms);
        other.terms.forEach((factors, count) -> sum.merge(factors, count, Long::sum));
        return of(constant + other.constant, sum);
    }

    /** The product of two sizes. */
    public Dim times(Dim other) {
        if (isFixed() && other.isFixed()) {
            return of(counted(() -> Math.multiplyExact(constant, other.constant), TIMES, other));
        }
        SortedMap<String, Long> product = new TreeMap<>();
        terms.forEach((factors, count) -> product.merge(factors, count * other.constant, Long::sum));
        other.terms.forEach((factors, count) -> product.merge(factors, count * constant, Long::sum));
        terms.forEach((mine, count) -> other.terms.forEach((others, otherCount) -> {
            Stream<String> both = Stream.concat(factors(mine), factors(others));
            product.merge(both.sorted().collect(Collectors.joining(TIMES)), count * otherCount, Long::sum);
        }));
        return of(Math.multiplyExact(constant, other.constant), product);
    }

    private long counted(LongSupplier result, String operation, Dim other) {
        try {
            return result.getAsLong();
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "No axis has a size of " + this + operation + other + ", which can't even be counted", e);
        }
    }

    private static Dim of(long constant, SortedMap<String, Long> terms) {
        terms.values().removeIf(count -> count == 0);
        return terms.isEmpty() ? of(constant) : new Dim(constant, terms);
    }

    private static Stream<String> factors(String term) {
        return Pattern.compile(TIMES, Pattern.LITERAL).splitAsStream(term);
    }

    /**
     * The size once the symbols are known.
     *
     * @throws IllegalArgumentException if a symbol has no value
     */
    public long resolve(Map<String, Long> symbolValues) {
        long sum = constant;
        for (Map.Entry<String, Long> term : terms.entrySet()) {
            sum += term.getValue() * resolve(term.getKey(), symbolValues);
        }
        return sum;
    }

    private static long resolve(String term, Map<String, Long> symbolValues) {
        Long single = symbolValues.get(term);
        if (single != null) {
            return single;
        }
        if (!term.contains(TIMES)) {
            throw new IllegalArgumentException("The size '" + term + "' has no value; known: " + symbolValues.keySet());
        }
        return factors(term).mapToLong(factor -> resolve(factor, symbolValues)).reduce(1, (a, b) -> a * b);
    }

    /** The symbols that the size is made of; none if it is fixed. */
    public Set<String> symbols() {
        return terms.keySet().stream().flatMap(Dim::factors).collect(Collectors.toCollection(TreeSet::new));
    }

    /** The symbol's name if this is a single symbol and nothing else, otherwise the empty string. */
    public String soleSymbol() {
        if (terms.size() != 1 || constant != 0) {
            return "";
        }
        String term = terms.firstKey();
        return terms.containsValue(1L) && !term.contains(TIMES) ? term : "";
    }

    @Override
    public boolean equals(Object other) {
        if (this == other) {
            return true;
        }
        return other instanceof Dim dim && constant == dim.constant && (terms == dim.terms || terms.equals(dim.terms));
    }

    @Override
    public int hashCode() {
        return Long.hashCode(constant) * 31 + terms.hashCode();
    }

    @Override
    public String toString() {
        if (isFixed()) {
            return Long.toString(constant);
        }
        String sum = terms.entrySet().stream()
                .map(term -> (term.getValue() == 1 ? "" : term.getValue() + TIMES) + term.getKey())
                .collect(Collectors.joining("+"));
        return constant == 0 ? sum : sum + (constant > 0 ? "+" : "") + constant;
    }
}
