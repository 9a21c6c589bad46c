package dev.loupe.cli;

import java.io.PrintWriter;
import java.util.stream.Stream;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;

/** Writes for a person at a terminal: colours where there is one, plain text where not. */
final class Painter {

    private static final String RESET = "\u001b[0m";
    private static final int BAR = 20;

    private final PrintWriter out;
    private final boolean colours;

    Painter(PrintWriter out, Ansi ansi) {
        this.out = out;
        this.colours = ansi.enabled();
    }

    /** Writes to a command's standard output. */
    static Painter of(CommandSpec command) {
        return new Painter(
                command.commandLine().getOut(),
                command.commandLine().getColorScheme().ansi());
    }

    void heading(String text) {
        out.println();
        out.println(paint("1;36", text));
    }

    void line(String text) {
        out.println(text);
    }

    void flush() {
        out.flush();
    }

    String bold(String text) {
        return paint("1", text);
    }

    String faint(String text) {
        return paint("2", text);
    }

    /** A text on a background that is the stronger the larger the share, from 0 to 1. */
    String shaded(String text, double share) {
        int step = (int) Math.round(Math.max(0, Math.min(1, share)) * 5);
        int[] blues = {0, 17, 18, 19, 20, 21};
        return step == 0 || !colours ? text : "\u001b[48;5;" + blues[step] + ";38;5;231m" + text + RESET;
    }

    /**
     * A signed bar: to the right in green for positive values, to the left in red for negative ones.
     *
     * @param largest the largest value, without sign, of all bars that are shown together
     */
    String bar(double value, double largest) {
        // NaN has none.
        int length = largest == 0 ? 0 : (int) Math.round(Math.min(1, Math.abs(value) / largest) * BAR);
        String filled = "█".repeat(length);
        return value < 0
                ? " ".repeat(BAR - length) + paint("31", filled) + "│" + " ".repeat(BAR)
                : " ".repeat(BAR) + "│" + paint("32", filled) + " ".repeat(BAR - length);
    }

    /** A bar for a share from 0 to 1. */
    String share(double value) {
        int length = (int) Math.round(Math.max(0, Math.min(1, value)) * BAR);
        return paint("34", "█".repeat(length)) + faint("·".repeat(BAR - length));
    }

    private String paint(String code, String text) {
        return colours ? "\u001b[" + code + "m" + text + RESET : text;
    }

    /** The width of a column, as {@link #pad} counts: of its longest text, but not below some width. */
    static int width(int least, Stream<String> texts) {
        return texts.mapToInt(text -> text.codePointCount(0, text.length())).reduce(least, Math::max);
    }

    /** Pads to a width counted in characters that show. */
    static String pad(String text, int width) {
        int length = text.codePointCount(0, text.length());
        return length >= width ? text : text + " ".repeat(width - length);
    }
}
