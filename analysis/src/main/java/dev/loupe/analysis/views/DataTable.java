package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/** Texts in rows and columns, with a heading for each column. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DataTable extends View {

    private final List<String> columns;
    private final List<List<String>> rows;

    private DataTable(String title, String note, List<String> columns, List<List<String>> rows) {
        super("table", title, note);
        this.columns = Labels.visible(columns);
        List<List<String>> checked = new ArrayList<>();
        for (List<String> row : rows) {
            if (row.size() != columns.size()) {
                throw new IllegalArgumentException(
                        "'" + title + "' has " + columns.size() + " columns and a row of " + row.size() + ": " + row);
            }
            checked.add(Labels.visible(row));
        }
        this.rows = List.copyOf(checked);
    }

    /**
     * A table.
     *
     * @param note a sentence under the heading; may be empty
     * @param columns their headings
     * @param rows each with a text for every column
     * @throws IllegalArgumentException if a row has more or fewer
     */
    public static DataTable of(String title, String note, List<String> columns, List<List<String>> rows) {
        return new DataTable(title, note, columns, rows);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of();
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("columns", columns);
        json.put("rows", rows);
    }
}
