package dev.loupe.architectures.tokenizer;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How often a regular expression may go back and try another way from one place in a text. The library's engine,
 * Oniguruma, gives up after ten million tries and ends the whole process, so an expression that can come near is
 * refused before it gets there.
 *
 * <p>Ways are counted where something behind them can fail: {@code a*b} has as many as there are letters, {@code
 * (a*)*b} twice as many with each letter, {@code a+} on its own has one. An expression is read by the grammar of
 * Oniguruma's Ruby syntax.
 */
final class RegularExpression {

    /** Of the engine's ten million tries, in powers of two. */
    private static final double LIMIT = 23;
    /** A repetition without an end may be as long as a run of 2^17 characters. */
    private static final double ENDLESS = 17;

    private static final double TOO_MANY = 1000;
    private static final Pattern BRACES = Pattern.compile("\\{(\\d*)(,?)(\\d*)\\}");
    private static final Pattern POSIX = Pattern.compile(
            ":\\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit|word):\\]");
    private static final Pattern GROUP = Pattern.compile("<[a-zA-Z]\\w*>|[im-]*:|([im-]+)\\)");
    private static final int DEEPEST = 50;

    /**
     * What stands in an expression.
     *
     * @param always whether it matches anywhere, by being nothing if need be
     * @param empty whether it can match without a character
     * @param behindSure ways, as powers of two, if nothing behind it can fail
     * @param behindUnsure ways, as powers of two, if something behind it can
     */
    private record Part(boolean always, boolean empty, double behindSure, double behindUnsure) {
        static final Part NOTHING = new Part(true, true, 0, 0);
        static final Part CHARACTER = new Part(false, false, 0, 0);
        static final Part PLACE = new Part(false, true, 0, 0);

        /** As an atomic group, which no failure behind it enters again. */
        Part closed() {
            return new Part(always, empty, behindSure, behindSure);
        }

        /** As a look around. */
        Part looked() {
            return new Part(false, true, behindSure, behindSure);
        }

        Part then(Part next) {
            double sure = (next.always ? behindSure : behindUnsure) + next.behindSure;
            return new Part(always && next.always, empty && next.empty, sure, behindUnsure + next.behindUnsure);
        }

        Part or(Part other) {
            return new Part(
                    always || other.always,
                    empty || other.empty,
                    sum(behindSure, other.behindSure),
                    sum(behindUnsure, other.behindUnsure));
        }

        private static double sum(double a, double b) {
            return Math.max(a, b) + Math.log(1 + Math.pow(2, -Math.abs(a - b))) / Math.log(2);
        }

        Part repeated(int least, int most) {
            boolean endless = most < 0;
            double choices = endless ? ENDLESS : Math.log(most - (double) least + 1) / Math.log(2);
            double rounds = endless ? TOO_MANY : Math.max(most, 1);
            // A round that can match in several ways multiplies them with each round.
            double unsure = choices + (behindUnsure == 0 ? 0 : Math.min(TOO_MANY, rounds * behindUnsure));
            // A round of which nothing is asked afterwards fails at most once for each round that has to be.
            double sure = least > 1 && behindUnsure > 0 ? Math.min(TOO_MANY, least * behindUnsure) : behindSure;
            return new Part(least == 0 || always, least == 0 || empty, sure, unsure);
        }
    }

    private final String expression;
    private int at;

    private RegularExpression(String expression) {
        this.expression = expression;
    }

    /**
     * Refuses an expression that may make the engine give up.
     *
     * @return whether it can match a place between characters
     * @throws IllegalArgumentException says what is the matter with it, as the end of a sentence
     */
    static boolean check(String expression) {
        RegularExpression reader = new RegularExpression(expression);
        Part whole = reader.alternatives(0);
        if (reader.at < expression.length()) {
            throw reader.refused("has a ) too many");
        }
        if (whole.behindSure() > LIMIT) {
            throw reader.refused("can try more ways to match than the tokenizers library survives (repetitions within"
                    + " or behind one another)");
        }
        return whole.empty();
    }

    private IllegalArgumentException refused(String why) {
        String shown = expression.length() > 120 ? expression.substring(0, 120) + "…" : expression;
        return new IllegalArgumentException("holds the regular expression '" + shown + "', which " + why);
    }

    private boolean next(String text) {
        if (expression.startsWith(text, at)) {
            at += text.length();
            return true;
        }
        return false;
    }

    private boolean done() {
        return at >= expression.length();
    }

    private Part alternatives(int depth) {
        if (depth > DEEPEST) {
            throw refused("is nested deeper than " + DEEPEST + " groups");
        }
        Part all = sequence(depth);
        while (next("|")) {
            all = all.or(sequence(depth));
        }
        return all;
    }

    private Part sequence(int depth) {
        Deque<Part> parts = new ArrayDeque<>();
        while (!done() && expression.charAt(at) != '|' && expression.charAt(at) != ')') {
            parts.push(quantified(atom(depth)));
        }
        // From the end, as what stands behind decides.
        Part all = Part.NOTHING;
        while (!parts.isEmpty()) {
            all = parts.pop().then(all);
        }
        return all;
    }

    private Part quantified(Part atom) {
        Part part = atom;
        while (!done()) {
            int[] range = range();
            if (range.length == 0) {
                return part;
            }
            part = part.repeated(range[0], range[1]);
            if (range.length == 2) {
                // Of ?, * and +, a + behind makes it possessive and a ? lazy; lazy ones have the same ways.
                if (next("+")) {
                    part = part.closed();
                } else {
                    next("?");
                }
            } else if (next("?")) {
                // {2}? may be left out, {2,3}? is lazy; the former has the more ways.
                part = part.repeated(0, 1);
            }
        }
        return part;
    }

    /** Least and most (−1 for no end) of the quantifier here, a third number if it is in braces; empty if none is. */
    private int[] range() {
        if (next("*")) {
            return new int[] {0, -1};
        }
        if (next("+")) {
            return new int[] {1, -1};
        }
        if (next("?")) {
            return new int[] {0, 1};
        }
        Matcher braces = BRACES.matcher(expression).region(at, expression.length());
        boolean isRange = braces.lookingAt()
                && !(braces.group(1).isEmpty() && braces.group(3).isEmpty());
        if (!isRange) {
            return new int[0];
        }
        at = braces.end();
        int least = braces.group(1).isEmpty() ? 0 : number(braces.group(1));
        if (braces.group(2).isEmpty()) {
            return new int[] {least, least, 0};
        }
        int most = braces.group(3).isEmpty() ? -1 : number(braces.group(3));
        // {5,2} is read as {2,5}.
        return most >= 0 && most < least ? new int[] {most, least, 0} : new int[] {least, most, 0};
    }

    private int number(String digits) {
        if (digits.length() > 6) {
            throw refused("repeats " + digits + " times");
        }
        return Integer.parseInt(digits);
    }

    private Part atom(int depth) {
        char first = expression.charAt(at);
        if (first == '(') {
            return group(depth);
        }
        if (first == '[') {
            characterClass();
            return Part.CHARACTER;
        }
        at++;
        if (first == '\\') {
            return escape() ? Part.PLACE : Part.CHARACTER;
        }
        return first == '^' || first == '$' ? Part.PLACE : Part.CHARACTER;
    }

    /** Reads what follows a backslash; whether it stands for a place. */
    private boolean escape() {
        if (done()) {
            throw refused("ends with a \\");
        }
        char kind = expression.charAt(at++);
        if ((kind >= '1' && kind <= '9') || kind == 'k' || kind == 'g' || kind == 'K') {
            throw refused("refers to another part of itself (\\" + kind + "), which no tokenizer needs");
        }
        if (kind == 'c' || kind == 'C' || kind == 'M') {
            // What follows would be part of a control character's name, a bracket even.
            throw refused("names a control character by \\" + kind + "; \\x does it too");
        }
        boolean braced = kind == 'p' || kind == 'P' || kind == 'x' || kind == 'o';
        if (braced && next("{")) {
            int end = expression.indexOf('}', at);
            at = end < 0 ? expression.length() : end + 1;
        }
        return "bBAzZGyY".indexOf(kind) >= 0;
    }

    private void characterClass() {
        int depth = 0;
        do {
            if (done()) {
                throw refused("has a [ without its ]");
            }
            char c = expression.charAt(at++);
            if (c == '\\') {
                escape();
            } else if (c == '[' && !posixBracket()) {
                depth++;
                next("^");
                if (next("]")) {
                    throw refused("has a ] as the first character of a class; write \\]");
                }
            } else if (c == ']') {
                depth--;
            }
        } while (depth > 0);
    }

    private boolean posixBracket() {
        Matcher name = POSIX.matcher(expression).region(at, expression.length());
        if (name.lookingAt()) {
            at = name.end();
            return true;
        }
        return false;
    }

    private Part group(int depth) {
        at++;
        boolean ahead = next("?=") || next("?!") || next("?<=") || next("?<!");
        boolean atomic = !ahead && next("?>");
        if (!ahead && !atomic && next("?")) {
            Matcher kind = GROUP.matcher(expression).region(at, expression.length());
            if (!kind.lookingAt()) {
                throw refused("has a group of a kind that no tokenizer needs, (?"
                        + (done() ? "" : expression.charAt(at)) + "…)");
            }
            at = kind.end();
            if (kind.group(1) != null) {
                // (?i) holds for the rest of the group that it stands in.
                return alternatives(depth + 1);
            }
        } else if (!ahead && !atomic && next("*")) {
            throw refused("has a call, (*…)");
        }
        Part inside = alternatives(depth + 1);
        if (!next(")")) {
            throw refused("has a ( without its )");
        }
        return ahead ? inside.looked() : atomic ? inside.closed() : inside;
    }
}
