package dev.loupe.analysis.patching;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What a sweep measured, as text: for people, and for spreadsheets. */
final class PatchingTable {

    private static final int MOST_COLUMNS = 32;
    private static final int MOST_ROWS = 100;
    private static final int ENTRIES = 20;

    private final PatchingResult result;
    private final double[] values;

    PatchingTable(PatchingResult result) {
        this.result = result;
        this.values = result.values().toDoubleArray();
    }

    private int size(int axis) {
        return (int) result.values().size(axis);
    }

    String csv() {
        StringBuilder out = new StringBuilder(
                result.axes().stream().map(SweepAxis::label).collect(Collectors.joining(",", "", ",value\r\n")));
        int[][] indices = result.index();
        for (int flat = 0; flat < values.length; flat++) {
            for (int axis = 0; axis < indices[flat].length; axis++) {
                int index = indices[flat][axis];
                String place = result.axes().get(axis) == SweepAxis.KIND
                        ? result.kinds().get(index)
                        : Integer.toString(index);
                out.append(quoted(place)).append(',');
            }
            // Float.toString is the shortest text that reads back as the same number.
            out.append((float) values[flat]).append("\r\n");
        }
        return out.toString();
    }

    private static String quoted(String text) {
        boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? text : '"' + text.replace("\"", "\"\"") + '"';
    }

    String text() {
        boolean grid = result.axes().size() == 2 && size(1) <= MOST_COLUMNS && size(0) <= MOST_ROWS;
        String warning = result.warning().isEmpty() ? "" : result.warning() + System.lineSeparator();
        return heading() + warning + (grid ? grid() : entries());
    }

    private String heading() {
        String axes = IntStream.range(0, result.axes().size())
                .mapToObj(axis -> result.axes().get(axis).label() + " " + size(axis))
                .collect(Collectors.joining(", ", " [", "]"));
        return result.title() + axes + System.lineSeparator();
    }

    private String grid() {
        int width = Math.max(
                8,
                2
                        + IntStream.range(0, size(0))
                                .map(row -> result.place(0, row).length())
                                .max()
                                .orElse(0));
        StringBuilder out = new StringBuilder(" ".repeat(width));
        for (int column = 0; column < size(1); column++) {
            out.append(String.format(Locale.ROOT, "%9s", result.place(1, column)));
        }
        for (int row = 0; row < size(0); row++) {
            out.append(System.lineSeparator())
                    .append(String.format(Locale.ROOT, "%-" + width + "s", result.place(0, row)));
            for (int column = 0; column < size(1); column++) {
                out.append(String.format(Locale.ROOT, "%9.3f", shown(values[row * size(1) + column])));
            }
        }
        return out.toString();
    }

    /** Without the sign of what is shown as zero. */
    private static double shown(double value) {
        return Math.abs(value) < 5e-4 ? 0 : value;
    }

    private String entries() {
        List<PatchingResult.Entry> strongest = result.strongest(ENTRIES);
        String lines = strongest.stream()
                .map(entry -> String.format(Locale.ROOT, "%9.3f  %s", shown(entry.value()), place(entry.index())))
                .collect(Collectors.joining(System.lineSeparator()));
        int more = values.length - strongest.size();
        return more == 0 ? lines : lines + System.lineSeparator() + "and " + more + " nearer to zero";
    }

    private String place(Map<SweepAxis, Integer> index) {
        return result.axes().stream()
                .map(axis -> axis.isPosition()
                        ? axis.label() + " " + index.get(axis)
                        : result.place(result.axes().indexOf(axis), index.getOrDefault(axis, 0)))
                .collect(Collectors.joining(" "));
    }
}
