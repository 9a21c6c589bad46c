package dev.loupe.analysis.views;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
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

    private static LayeredGraph layers() {
        return LayeredGraph.builder("Layers")
                .columns(List.of(" a", " b"))
                .rows(List.of("embedding", "logits"))
                .node(new LayeredGraph.Node(0, 0, "token", "first"))
                .node(new LayeredGraph.Node(1, 0, "token", "second"))
                .node(new LayeredGraph.Node(1, 1, "logit", "next"))
                .link(new LayeredGraph.Link(0, 2, 0.5))
                .link(new LayeredGraph.Link(1, 2, -2))
                .chosen(2)
                .build();
    }

    private static EdgeGraph edges() {
        return EdgeGraph.builder("Circuit")
                .node("input", 0, -1)
                .node("a0.h0", 1, 0)
                .node("a0.h1", 1, 1)
                .node("a1.h0", 3, 0)
                .node("logits", 9, -1)
                .edge("input", "a0.h0", "", 1)
                .edge("input", "a1.h0", "q", -0.5)
                .edge("input", "a1.h0", "k", 0.25)
                .edge("a0.h0", "logits", "", 0.75)
                .edge("a0.h1", "logits", "", 0.1)
                .edge("a1.h0", "logits", "", 2)
                .build();
    }

    @Test
    void aNodeOfAGraphShowsWhatLeadsToItAndWhatItLeadsTo() throws Exception {
        String said = said(HtmlPage.of("p", layers()), """
                const texts = () => [...document.querySelectorAll(".sides tr")].map(row => row.textContent);
                say(texts().join("; "));
                say(document.querySelectorAll("circle.linked").length);
                document.querySelectorAll("circle")[0].dispatchEvent(new MouseEvent("click"));
                say(texts().join("; "));
                """);
        assertThat(said).isEqualTo("−2embedding · ·b · second; 0.5embedding · ·a · first\n3\n0.5logits · ·b · next\n");
    }

    @Test
    void noEdgeRunsBehindANode() throws Exception {
        String said = said(HtmlPage.of("p", edges()), """
                const boxes = [...document.querySelectorAll("svg.graph rect")].map(e => e.getBoundingClientRect());
                const paths = [...document.querySelectorAll("svg.graph path")];
                const origin = document.querySelector("svg.graph g.plot").getScreenCTM();
                const inside = paths.filter(path => {
                  for (let at = 2; at < path.getTotalLength() - 2; at += 1) {
                    const point = path.getPointAtLength(at).matrixTransform(origin);
                    if (boxes.some(box => point.x > box.left - 1 && point.x < box.right + 1
                        && point.y > box.top && point.y < box.bottom)) {
                      return true;
                    }
                  }
                  return false;
                });
                say(`${boxes.length} ${paths.length} ${inside.length}`);
                const ends = paths.map(path => path.getPointAtLength(path.getTotalLength()))
                  .map(point => `${Math.round(point.x)} ${Math.round(point.y)}`);
                say(new Set(ends).size);
                """);
        // Three edges meet at the logits, two end side by side at one head.
        assertThat(said).isEqualTo("5 6 0\n4\n");
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
        assertThat(said).isEqualTo("⟨eot⟩|When|·Mary|&lt;/script&gt;&lt;b&gt;|\\n|日本|\uD83D\uDE00|a\"b'&amp;\n0\n");
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
    void attentionOpensAtTheMostTellingHeadAndDrawsLinesThatCanBePinned() throws Exception {
        List<String> words = IntStream.range(0, 60).mapToObj(i -> "token" + i).toList();
        Panels.Builder heads = Panels.builder("Attention").attention(words).perRow(2);
        for (int head = 0; head < 4; head++) {
            double[][] pattern = new double[60][60];
            for (int query = 0; query < 60; query++) {
                pattern[query][0] = 1;
            }
            // The last token takes more from token 7 the nearer the head is to 2; head 3 looks at itself.
            pattern[59][head == 3 ? 59 : 7] = head == 3 ? 0.99 : 0.25 * (head + 1);
            pattern[59][0] = head == 3 ? 0.01 : 1 - 0.25 * (head + 1);
            heads.panel("L" + head / 2 + "H" + head % 2, head / 2, head % 2, pattern);
        }
        String said = said(HtmlPage.of("p", heads.build()), """
                say(document.querySelector("h3").textContent);
                const paths = () => document.querySelectorAll("svg.lines path").length;
                say(paths());
                const query = document.querySelectorAll("svg.lines text.query")[20];
                query.dispatchEvent(new PointerEvent("pointerenter"));
                say(paths());
                query.dispatchEvent(new MouseEvent("click"));
                query.dispatchEvent(new PointerEvent("pointerleave"));
                say(paths());
                say(document.querySelectorAll("svg.lines path.pinned").length);
                query.dispatchEvent(new MouseEvent("click"));
                say(paths());
                // All labels of 60 tokens are there, none over another.
                const rows = [...document.querySelectorAll("svg.heatmap text.row")].map(e => +e.getAttribute("y"));
                say(rows.length);
                say(rows.every((y, i) => i === 0 || y - rows[i - 1] >= 11));
                say([...document.querySelectorAll("svg.heatmap text.column")].at(-1).textContent);
                const select = document.querySelector("select[name=layer]");
                select.selectedIndex = 1;
                select.dispatchEvent(new Event("change"));
                say([...document.querySelectorAll(".thumbs button")].map(e => e.textContent).join());
                say(document.querySelector("h3").textContent);
                """);
        assertThat(said).isEqualTo("L1H0\n2\n3\n3\n3\n2\n60\ntrue\ntoken59\nL0H0,L0H1\nL0H1\n");
    }

    @Test
    void aThousandHeadsAreChosenFromAMap() throws Exception {
        Panels.Builder heads = Panels.builder("Attention").mostNumbers(36 * 100).attention(Samples.TOKENS);
        for (int head = 0; head < 1024; head++) {
            double[][] pattern = Samples.pattern(head);
            pattern[7][3] = head == 517 ? 0.75 : 0.25;
            heads.panel("L" + head / 32 + "H" + head % 32, head / 32, head % 32, pattern);
        }
        String said = said(HtmlPage.of("p", heads.build()), """
                say(document.querySelector("h3").textContent);
                say(document.querySelectorAll(".thumbs button").length);
                hover(document.querySelector("svg.heatmap"), 16, 32, 5, 32);
                say(tip());
                const layer = document.querySelector("select[name=layer]");
                layer.selectedIndex = 17;
                layer.dispatchEvent(new Event("change"));
                say(document.querySelectorAll(".thumbs button").length);
                say(document.querySelectorAll(".thumbs button[disabled]").length);
                say([...document.querySelectorAll(".note")].some(e => e.textContent.includes("100 heads of 1024")));
                """);
        assertThat(said)
                .startsWith("L16H5\n0\nL16H5\nmost that the last token takes from one earlier token: 0.75\n"
                        + "click to see it\n32\n")
                .endsWith("true\n");
    }

    @Test
    void theAnswerOfALongPromptIsInView() throws Exception {
        int positions = 200;
        int[][][] ids = new int[3][positions][1];
        double[][][] shares = new double[3][positions][];
        for (int row = 0; row < 3; row++) {
            for (int column = 0; column < positions; column++) {
                ids[row][column][0] = column == positions - 1 ? 1 : 0;
                shares[row][column] = new double[] {0.5};
            }
        }
        HeatMap lens = HeatMap.builder("Logit lens")
                .values(new double[3][positions])
                .rows("layer", List.of("0_pre", "1_pre", "final_post"))
                .layersOfRows(0, 1, 1)
                .columns(
                        "position",
                        IntStream.range(0, positions).mapToObj(i -> "w" + i).toList())
                .words(List.of(" a", " Mary"), ids, shares)
                .build();
        String said = said(HtmlPage.of("p", lens), """
                const answer = [...document.querySelectorAll("text.cell")].filter(e => e.textContent === "·Mary").at(-1);
                const box = answer.getBoundingClientRect();
                say(box.right <= innerWidth && box.bottom <= innerHeight && box.left > 0);
                say(document.documentElement.scrollWidth <= innerWidth);
                // Labels of rows stay in view, and what isn't in view isn't drawn.
                const label = document.querySelector("text.row").getBoundingClientRect();
                say(label.left >= 0 && label.right < 200);
                say(document.querySelectorAll("text.cell").length < 3 * 90);
                // In a window that has become another, too.
                document.querySelector("section.heatmap .scroll").scrollLeft = 0;
                Object.defineProperty(window, "innerWidth", {value: innerWidth - 1});
                dispatchEvent(new Event("resize"));
                say(document.querySelector("section.heatmap .scroll").scrollLeft > 0);
                const select = document.querySelector("select[name=layer]");
                select.selectedIndex = 1;
                select.dispatchEvent(new Event("change"));
                say([...document.querySelectorAll("text.row")].map(e => e.textContent).join());
                """);
        assertThat(said).isEqualTo("true\ntrue\ntrue\ntrue\ntrue\n0_pre\n");
    }

    @Test
    void aPageSaysWhereItComesFromAndItsPicturesCanBeSaved() throws Exception {
        Provenance source = new Provenance(Map.of("model", "toy-gpt2"), List.of(), Instant.EPOCH).prompt("<b>When</b>");
        Bars bars = Bars.builder("Who speaks")
                .most(2)
                .bar("L0H1", -2, 0, 1)
                .bar("mlp", 3, 1)
                .bar("embed", 0.5)
                .bar("b_U", 0.25)
                .build();
        DataTable table = DataTable.of("Texts", "", List.of("a", "b"), List.of(List.of("<b>1</b>", " 2")));
        HtmlPage page = HtmlPage.of(
                "p", Samples.patching(), bars, Samples.tokens(), Samples.attention(), table, layers(), edges());
        String said = said(page.from(source), """
                say(document.querySelector(".about").textContent);
                say([...document.querySelectorAll("svg.heatmap text.cell")].slice(0, 5).map(e => e.textContent).join());
                say([...document.querySelectorAll("svg.bars g.item")].map(e => e.textContent).join("; "));
                const RealBlob = Blob;
                window.Blob = function (parts, options) {
                  const svg = new DOMParser().parseFromString(parts[0], "image/svg+xml");
                  say(`${options.type} ${svg.querySelectorAll("parsererror").length} `
                    + `${svg.querySelectorAll("text").length > 4} ${parts[0].includes("var(")}`);
                  return new RealBlob(parts, options);
                };
                let saved = "";
                HTMLAnchorElement.prototype.click = function () { saved = this.download; say(saved); };
                const buttons = [...document.querySelectorAll("button.export")];
                say(buttons.length);
                buttons.filter(e => e.textContent === "SVG").forEach(e => e.click());
                buttons[1].click();
                // The page's clock runs ahead of the browser, which reads pictures in its own time.
                let turns = 0;
                const wait = () => {
                  let work = 0;
                  while (work < 2e7) work++;
                  if (!saved.endsWith(".png") && ++turns < 80) setTimeout(wait, 10);
                };
                wait();
                """);
        assertThat(said)
                .startsWith("model toy-gpt2Loupe " + Provenance.version()
                        + "date 1970-01-01 00:00 UTCprompt &lt;b&gt;When&lt;/b&gt;\n−0.50,0.00,1.25,0.13,2.00\n"
                        + "mlp3.000; L0H1−2.000; others (2)0.750\n16\n")
                .doesNotContain("image/svg+xml 1", "0 false", "0 true true")
                .contains("image/svg+xml 0 true false\nresid-pre.svg\n")
                .contains("Who-speaks.svg", "Loss.svg", "Attention-L0H0.svg", "Attention-L0H0-lines.svg")
                .contains("Texts.svg", "Layers.svg", "Circuit.svg")
                // The PNG comes once the browser has read the picture.
                .endsWith("resid-pre.png\n");
    }

    @Test
    void theContinuationIsMarked() throws Exception {
        ColoredTokens text = ColoredTokens.builder("Steered", List.of("<|endoftext|>", "The", " end"))
                .values("probability", Double.NaN, 0.5, 1)
                .continuationFrom(2)
                .build();
        String said = said(HtmlPage.of("p", text), """
                say([...document.querySelector("p.tokens").children].map(e => e.textContent).join("|"));
                """);
        assertThat(said).isEqualTo("⟨eot⟩|The|continuation ▸|·end\n");
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
