package dev.loupe.analysis.views;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PagesInTheBrowserTest {

    private static final String LIBRARY = """
            const tip = () => document.getElementById("loupe-tip").innerText;
            const say = text => document.body.append(
              Object.assign(document.createElement("pre"), {className: "said", textContent: text}));
            const hover = (svg, row, rows, column, columns) => {
              const box = svg.querySelector("rect.nothing").getBoundingClientRect();
              svg.dispatchEvent(new PointerEvent("pointermove", {bubbles: true,
                clientX: box.left + box.width * (column + 0.5) / columns,
                clientY: box.top + box.height * (row + 0.5) / rows}));
            };
            """;

    @TempDir
    private Path folder;

    private Chromium chromium;

    @BeforeEach
    void find() {
        chromium = Chromium.in(folder);
    }

    /** What the probe said, one text after the other. */
    private String said(HtmlPage page, String probe) throws Exception {
        String dom = chromium.dump(page.html(), LIBRARY + probe);
        assertThat(dom).doesNotContain("data-error");
        Matcher matcher = Pattern.compile("<pre class=\"said\">(.*?)</pre>", Pattern.DOTALL)
                .matcher(dom);
        StringBuilder all = new StringBuilder();
        while (matcher.find()) {
            all.append(matcher.group(1)).append('\n');
        }
        return all.toString();
    }

    @Test
    void hoveringOverAPatternTellsTheTokenPairAndTheValue() throws Exception {
        // Query 2 (" Mary") of head L0H0 looks at key 1 ("When") with 1/3.
        String said = said(HtmlPage.of("p", Samples.attention()), """
                hover(document.querySelector("svg.heatmap"), 2, 8, 1, 8);
                say(tip());
                say(document.querySelector("p.tokens").dataset.row);
                """);
        assertThat(said).isEqualTo("query: ·Mary\nkey: When\n0.3333\n2\n");
    }

    @Test
    void choosingAThumbnailShowsThatHead() throws Exception {
        String said = said(HtmlPage.of("p", Samples.attention()), """
                document.querySelectorAll(".thumbs button")[3].click();
                say(document.querySelector("h3").textContent);
                say(document.querySelectorAll('button[aria-pressed="true"]').length);
                hover(document.querySelector("svg.heatmap"), 1, 8, 0, 8);
                say(tip());
                """);
        // Head 3: the key before gets 1/(1+1+3).
        assertThat(said).isEqualTo("L1H1\n1\nquery: When\nkey: &lt;|endoftext|&gt;\n0.2\n");
    }

    @Test
    void ofASweepTheStrongestPanelIsShownAndRepeatedTokensAreToldApart() throws Exception {
        Panels sweep = Panels.builder("sweep")
                .rows("layer", List.of("0", "1"))
                .columns("pos", List.of("When", " Mary", " Mary"))
                .panel("H0", new double[][] {{0, 0.5, 0}, {0, 0, 0}})
                .panel("H1", new double[][] {{0, 0, 0}, {0, 0.25, -2}})
                .build();
        String said = said(HtmlPage.of("p", sweep), """
                say(document.querySelector("h3").textContent);
                hover(document.querySelector("svg.heatmap"), 1, 2, 2, 3);
                say(tip());
                hover(document.querySelector("svg.heatmap"), 1, 2, 0, 3);
                say(tip());
                """);
        assertThat(said).isEqualTo("H1\nlayer: 1\npos: ·Mary (2)\n−2\nlayer: 1\npos: When\n0\n");
    }

    @Test
    void namesOfPanelsStayWithinTheirThumbnails() throws Exception {
        Panels wide = Panels.builder("wide")
                .rows("layer", List.of("0"))
                .columns("pos", List.of("0"))
                .panel("attn_head_pattern_dest_src_pos", new double[][] {{1}})
                .build();
        String said = said(HtmlPage.of("p", wide), """
                const button = document.querySelector(".thumbs button");
                say(button.scrollWidth > button.clientWidth);
                """);
        assertThat(said).isEqualTo("false\n");
    }

    @Test
    void aNodeOfAGraphShowsWhatLeadsToItAndWhatItLeadsTo() throws Exception {
        LayeredGraph graph = LayeredGraph.builder("graph")
                .columns(List.of(" a", " b"))
                .rows(List.of("embedding", "logits"))
                .node(new LayeredGraph.Node(0, 0, "token", "first"))
                .node(new LayeredGraph.Node(1, 0, "token", "second"))
                .node(new LayeredGraph.Node(1, 1, "logit", "next"))
                .link(new LayeredGraph.Link(0, 2, 0.5))
                .link(new LayeredGraph.Link(1, 2, -2))
                .chosen(2)
                .build();
        String said = said(HtmlPage.of("p", graph), """
                const texts = () => [...document.querySelectorAll(".sides tr")].map(row => row.textContent);
                say(texts().join("; "));
                say(document.querySelectorAll("circle.linked").length);
                document.querySelectorAll("circle")[0].dispatchEvent(new MouseEvent("click"));
                say(texts().join("; "));
                """);
        assertThat(said).isEqualTo("−2embedding · ·b · second; 0.5embedding · ·a · first\n3\n0.5logits · ·b · next\n");
    }

    @Test
    void aTableShowsItsTextsAsTheyAre() throws Exception {
        DataTable table = DataTable.of("table", "", List.of("a", "b"), List.of(List.of("<b>1</b>", " 2")));
        String said = said(HtmlPage.of("p", table), """
                say([...document.querySelectorAll("table.texts th, table.texts td")].map(c => c.textContent).join("; "));
                """);
        assertThat(said).isEqualTo("a; b; &lt;b&gt;1&lt;/b&gt;; ·2\n");
    }

    @Test
    void markupInATokenIsShownAsText() throws Exception {
        String said = said(HtmlPage.of("p", Samples.attention()), """
                say([...document.querySelectorAll("p.tokens span")].map(e => e.textContent).join("|"));
                say(document.querySelectorAll("main b").length);
                """);
        assertThat(said)
                .isEqualTo(
                        "&lt;|endoftext|&gt;|When|·Mary|&lt;/script&gt;&lt;b&gt;|\\n|日本|\uD83D\uDE00|a\"b'&amp;\n0\n");
    }

    @Test
    void arrowKeysMoveFromCellToCell() throws Exception {
        String said = said(HtmlPage.of("p", Samples.patching()), """
                const svg = document.querySelector("svg.heatmap");
                const press = key => svg.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
                press("ArrowRight");
                say(tip());
                press("ArrowDown");
                press("ArrowRight");
                say(tip());
                """);
        assertThat(said).isEqualTo("layer: 0\nposition: The\n−0.5\nlayer: 1\nposition: ·&lt;b&gt;\nno value\n");
    }

    @Test
    void theLensTellsTheBestTokensOfACell() throws Exception {
        String said = said(HtmlPage.of("p", Samples.lens()), """
                hover(document.querySelector("svg.heatmap"), 0, 1, 0, 2);
                say(tip());
                say([...document.querySelectorAll("text.cell")].map(e => e.textContent).join("|"));
                """);
        assertThat(said).isEqualTo("1. Mary 0.25\n2. John 0.2\n·Mary|·John\n");
    }

    @Test
    void colouredTokensTellTheirValueAndChangeWithTheSeries() throws Exception {
        String said = said(HtmlPage.of("p", Samples.tokens()), """
                const token = () => document.querySelectorAll("p.tokens span")[1];
                token().dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 5, clientY: 5}));
                say(tip());
                const select = document.querySelector("select");
                select.selectedIndex = 1;
                select.dispatchEvent(new Event("change"));
                token().dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 5, clientY: 5}));
                say(tip());
                """);
        assertThat(said).isEqualTo("·b\nloss: 2\n·b\nrank: 3\n");
    }

    @Test
    void theNumbersCanBeReadInATable() throws Exception {
        String said = said(HtmlPage.of("p", Samples.patching()), """
                const details = document.querySelector("details");
                details.open = true;
                details.dispatchEvent(new Event("toggle"));
                say([...details.querySelectorAll("td")].map(e => e.textContent).join("|"));
                """);
        assertThat(said).isEqualTo("−0.5|0|1.25|0.125|no value|2\n");
    }

    @Test
    void aPageIsDrawn() throws Exception {
        HtmlPage page = HtmlPage.of("All", Samples.attention(), Samples.patching(), Samples.lens(), Samples.tokens());
        BufferedImage picture =
                ImageIO.read(chromium.screenshot(page.html(), "", 900, 1400).toFile());
        assertThat(picture.getWidth()).isEqualTo(900);
        // Blue of a strong attention, red of −0.5 on a scale to 2: the cells are there, in their colours.
        assertThat(IntStream.range(0, picture.getWidth() * picture.getHeight())
                        .map(i -> picture.getRGB(i % 900, i / 900) & 0xffffff)
                        .boxed()
                        .distinct()
                        .toList())
                .contains(0x08306b, ColorScale.diverging(2).color(-0.5).getRGB() & 0xffffff);
    }
}
