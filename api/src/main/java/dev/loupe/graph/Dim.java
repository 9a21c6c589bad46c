package dev.loupe.graph;

import java.util.Arrays;
import java.util.Map;

/**
 * The size of one axis in a graph: a number, a symbol such as {@code batch}, or a sum of symbols and a
 * number such as {@code past + pos}. Symbols get their values when a run is fed.
 */
public final class Dim {

    private static final String[] NO_SYMBOLS = {};
    private static final Dim[] SMALL = new Dim[64];

    static {
        for (int i = 0; i < SMALL.length; i++) {
            SMALL[i] = new Dim(i, NO_SYMBOLS);
        }
    }

    private final long constant;
    private final String[] symbols; // sorted

    private Dim(long constant, String[] symbols) {
        this.constant = constant;
        this.symbols = symbols;
    }

    /** A fixed size. */
    public static Dim of(long size) {
        return size >= 0 && size < SMALL.length ? SMALL[(int) size] : new Dim(size, NO_SYMBOLS);
    }

    /** A size that is known only when the graph runs. */
    public static Dim symbol(String name) {
        return new Dim(0, new String[] {name});
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
        return symbols.length == 0;
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
            return of(constant + other.constant);
        }
        String[] both = Arrays.copyOf(symbols, symbols.length + other.symbols.length);
        System.arraycopy(other.symbols, 0, both, symbols.length, other.symbols.length);
        Arrays.sort(both);
        return new Dim(constant + other.constant, both);
    }

    /** The product of two sizes; of two that aren't fixed, a new opaque symbol. */
    Dim times(Dim other) {
        if (isFixed() && other.isFixed()) {
            return of(Math.multiplyExact(constant, other.constant));
        }
        if (is(1)) {
            return other;
        }
        return other.is(1) ? this : symbol("(" + this + ")*(" + other + ")");
    }

    /**
     * The size once the symbols are known.
     *
     * @throws IllegalArgumentException if a symbol has no value
     */
    public long resolve(Map<String, Long> symbolValues) {
        long sum = constant;
        for (String symbol : symbols) {
            Long value = symbolValues.get(symbol);
            if (value == null) {
                throw new IllegalArgumentException(
                        "The size '" + symbol + "' has no value; known: " + symbolValues.keySet());
            }
            sum += value;
        }
        return sum;
    }

    /** The symbol's name if this is a single symbol and nothing else, otherwise the empty string. */
    public String soleSymbol() {
        return symbols.length == 1 && constant == 0 ? symbols[0] : "";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Dim dim && constant == dim.constant && Arrays.equals(symbols, dim.symbols);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(constant) * 31 + Arrays.hashCode(symbols);
    }

    @Override
    public String toString() {
        if (isFixed()) {
            return Long.toString(constant);
        }
        String sum = String.join("+", symbols);
        return constant == 0 ? sum : sum + (constant > 0 ? "+" : "") + constant;
    }
}
