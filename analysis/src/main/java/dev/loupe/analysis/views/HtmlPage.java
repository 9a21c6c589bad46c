package dev.loupe.analysis.views;

import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * Views in one web page that needs nothing else: the script, the styles, D3 and the numbers are all in it, and it
 * forbids itself to ask any network.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HtmlPage {

    // What the script asks of D3. Each puts its functions into the same object; the whole of D3 is five times as much.
    private static final List<String> D3 =
            List.of("d3-array", "d3-color", "d3-interpolate", "d3-format", "d3-selection");

    private final String title;
    private final List<View> views;
    private final Provenance provenance;

    private HtmlPage(String title, List<View> views, Provenance provenance) {
        this.title = Labels.visible(title);
        this.views = List.copyOf(views);
        this.provenance = provenance;
    }

    /** A page of views, from top to bottom. */
    public static HtmlPage of(String title, View... views) {
        return of(title, Arrays.asList(views));
    }

    /** A page of views, from top to bottom. */
    public static HtmlPage of(String title, List<? extends View> views) {
        return new HtmlPage(title, List.copyOf(views), Provenance.now());
    }

    /** The same page, which says where its numbers come from: model, backend, prompts. */
    public HtmlPage from(Provenance source) {
        return new HtmlPage(title, views, source);
    }

    /** What the page shows, from top to bottom. */
    public List<View> views() {
        return views;
    }

    /** The page's text. */
    public String html() {
        Map<String, Object> page = new LinkedHashMap<>();
        page.put("title", title);
        page.put("provenance", provenance.json());
        page.put("views", views.stream().map(View::json).toList());
        String data = PageData.write(page);
        return """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width">
                <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
                style-src 'unsafe-inline'; img-src data: blob:">
                <title>%s</title>
                <style>
                %s</style>
                </head>
                <body>
                <main></main>
                <div id="loupe-tip" role="status" aria-live="polite"></div>
                <noscript>This page draws its pictures with JavaScript, all of which is in the page itself.</noscript>
                <script type="application/json" id="loupe-data">%s</script>
                <script>
                %s</script>
                <script>
                %s</script>
                </body>
                </html>
                """.formatted(
                        Xml.escape(title), resource("views.css"), data, script(d3()), script(resource("views.js")));
    }

    /**
     * Writes the page to a file, as {@link OutputFile} does: whole or not at all.
     *
     * @throws UncheckedIOException if it can't be written; says why
     */
    public void write(Path file) {
        OutputFile.writeString(file, html());
    }

    private static String script(String code) {
        if (code.contains("</script")) {
            throw new IllegalStateException("A script that contains its own end tag can't stand in a page");
        }
        return code;
    }

    private static String d3() {
        return D3.stream().map(HtmlPage::webJar).collect(Collectors.joining("\n"));
    }

    /** A module of D3 from its WebJar, whichever version is on the class path. */
    private static String webJar(String module) {
        Properties pom = new Properties();
        String properties = "/META-INF/maven/org.webjars.npm/" + module + "/pom.properties";
        try (InputStream in = HtmlPage.class.getResourceAsStream(properties)) {
            if (in == null) {
                throw new IllegalStateException("D3 isn't on the class path: add org.webjars.npm:" + module
                        + ", which loupe-analysis depends on");
            }
            pom.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return resource("/META-INF/resources/webjars/" + module + "/" + pom.getProperty("version") + "/dist/" + module
                + ".min.js");
    }

    private static String resource(String name) {
        try (InputStream in = HtmlPage.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("There is no resource " + name);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
