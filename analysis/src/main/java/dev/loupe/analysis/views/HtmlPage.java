package dev.loupe.analysis.views;

import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * Views in one web page that needs nothing else: the script, the styles, D3 and the numbers are all in it, and it
 * forbids itself to ask any network.
 */
public final class HtmlPage {

    private static final String D3 = "org.webjars.npm/d3";

    private final String title;
    private final List<View> views;

    private HtmlPage(String title, List<View> views) {
        this.title = Labels.visible(title);
        this.views = List.copyOf(views);
    }

    /** A page of views, from top to bottom. */
    public static HtmlPage of(String title, View... views) {
        return new HtmlPage(title, Arrays.asList(views));
    }

    /** A page of views, from top to bottom. */
    public static HtmlPage of(String title, List<? extends View> views) {
        return new HtmlPage(title, List.copyOf(views));
    }

    /** The page's text. */
    public String html() {
        String data = Json.write(
                Map.of("title", title, "views", views.stream().map(View::json).toList()));
        return """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width">
                <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
                style-src 'unsafe-inline'; img-src data:">
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

    /** D3 from its WebJar, whichever version is on the class path. */
    private static String d3() {
        Properties pom = new Properties();
        try (InputStream in = HtmlPage.class.getResourceAsStream("/META-INF/maven/" + D3 + "/pom.properties")) {
            if (in == null) {
                throw new IllegalStateException(
                        "D3 isn't on the class path: add org.webjars.npm:d3, which loupe-analysis depends on");
            }
            pom.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return resource("/META-INF/resources/webjars/d3/" + pom.getProperty("version") + "/dist/d3.min.js");
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
