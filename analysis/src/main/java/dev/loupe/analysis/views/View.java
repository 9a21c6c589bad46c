package dev.loupe.analysis.views;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/** Something that a page shows. Immutable. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public abstract sealed class View permits HeatMap, Panels, ColoredTokens, Bars, DataTable, EdgeGraph, LayeredGraph {

    private final String kind;
    private final String title;
    private final String note;

    View(String kind, String title, String note) {
        this.kind = kind;
        this.title = Labels.visible(title);
        this.note = Labels.visible(note);
    }

    /** The heading. */
    public final String title() {
        return title;
    }

    /** A sentence under the heading; may be empty. */
    public final String note() {
        return note;
    }

    /** The heat maps that it shows, each with its own title, to be written as SVG or PNG: one, one a panel, or none. */
    public abstract List<HeatMap> heatMaps();

    /** What the page's script draws. */
    final Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("kind", kind);
        json.put("title", title);
        json.put("note", note);
        describe(json);
        return json;
    }

    /** Adds what a view of this kind has beside heading and note. */
    abstract void describe(Map<String, Object> json);

    /** A self-contained web page with this view alone. */
    public final String toHtml() {
        return HtmlPage.of(title, this).html();
    }

    /** Writes {@link #toHtml} to a file. */
    public final void writeHtml(Path file) {
        HtmlPage.of(title, this).write(file);
    }
}
