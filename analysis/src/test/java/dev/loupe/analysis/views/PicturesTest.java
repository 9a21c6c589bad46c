package dev.loupe.analysis.views;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

class PicturesTest {

    @Test
    void aPageForbidsEveryNetworkAndLoadsNothing() {
        String html = HtmlPage.of("All", Samples.attention(), Samples.patching(), Samples.lens(), Samples.tokens())
                .html();
        assertThat(html).contains("default-src 'none'").doesNotContain("<link").doesNotContain("src=\"http");
        assertThat(html).doesNotContain("@import").doesNotContain("url(");
    }

    @Test
    void noLabelCanEndTheScriptThatHoldsIt() {
        String html = Samples.attention().toHtml();
        // The data's own, D3's and the views'.
        assertThat(html.split("</script>", -1)).hasSize(4);
        assertThat(html).contains("\\u003c/script\\u003e");
    }

    @Test
    void theTitleIsEscaped() {
        assertThat(HtmlPage.of("<b>&\"", List.of()).html()).contains("<title>&lt;b&gt;&amp;&quot;</title>");
    }

    @Test
    void anSvgIsWellFormedAndHasARectangleForEachCell() throws Exception {
        Document svg = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(Samples.patching().toSvg().getBytes(StandardCharsets.UTF_8)));
        // Ground, six cells, 64 steps of the colour bar.
        assertThat(svg.getElementsByTagName("rect").getLength()).isEqualTo(1 + 6 + 64);
        NodeList texts = svg.getElementsByTagName("text");
        List<String> shown = IntStream.range(0, texts.getLength())
                .mapToObj(i -> texts.item(i).getTextContent())
                .collect(Collectors.toList());
        assertThat(shown).contains("resid_pre", "layer", "position", "The", "·<b>", "&amp;", "2.00", "-2.00");
    }

    @Test
    void anSvgShowsWordsInItsCells() {
        assertThat(Samples.lens().toSvg()).contains(">·Mary</text>").contains(">0_pre</text>");
    }

    @Test
    void aPngHasTheColoursOfTheScale(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("map.png");
        HeatMap map = Samples.patching();
        map.writePng(file, 2);
        BufferedImage image = ImageIO.read(file.toFile());
        BufferedImage again = map.toImage(2);
        assertThat(image.getWidth()).isEqualTo(again.getWidth());
        List<Integer> colours = IntStream.range(0, image.getWidth() * image.getHeight())
                .map(i -> image.getRGB(i % image.getWidth(), i / image.getWidth()) & 0xffffff)
                .boxed()
                .distinct()
                .toList();
        ColorScale scale = ColorScale.diverging(2);
        for (double value : new double[] {-0.5, 0, 1.25, 0.125, 2}) {
            assertThat(colours).contains(scale.color(value).getRGB() & 0xffffff);
        }
    }

    @Test
    void svgAndHtmlAreWrittenToFiles(@TempDir Path folder) throws Exception {
        Samples.patching().writeSvg(folder.resolve("map.svg"));
        Samples.patching().writeHtml(folder.resolve("map.html"));
        assertThat(Files.readString(folder.resolve("map.svg")))
                .isEqualTo(Samples.patching().toSvg());
        assertThat(Files.readString(folder.resolve("map.html"))).startsWith("<!DOCTYPE html>");
    }

    @Test
    void aFileInADirectoryThatIsntThereIsRefused(@TempDir Path folder) {
        Path file = folder.resolve("missing").resolve("map.html");
        assertThatThrownBy(() -> Samples.patching().writeHtml(file))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining("there is no folder");
    }

    @Test
    void severalTensorsGetOneScaleThatFitsThemAll() {
        assertThat(ColorScale.fitting(0.5, 2, Double.NaN, Double.POSITIVE_INFINITY))
                .isEqualTo(ColorScale.sequential(0, 2));
        assertThat(ColorScale.fitting(0.5, -3)).isEqualTo(ColorScale.diverging(3));
        assertThat(ColorScale.fitting(new double[0])).isEqualTo(ColorScale.sequential(0, 1));
    }

    @Test
    void specialTokensAreShortInCellsAndOnAxes() {
        assertThat(Labels.brief("<|endoftext|>")).isEqualTo("⟨eot⟩");
        assertThat(Labels.brief("<|begin_of_text|>")).isEqualTo("⟨bot⟩");
        assertThat(Labels.brief("<s>")).isEqualTo("<s>");
        assertThat(Labels.brief("·Mary")).isEqualTo("·Mary");
        assertThat(Labels.briefs(List.of("a", "<|im_start|>"))).containsExactly(Map.entry("<|im_start|>", "⟨is⟩"));
    }

    @Test
    void patternsArePackedAndOfAThousandHeadsTheMostTellingAreKept() {
        int tokens = 116;
        List<String> words = IntStream.range(0, tokens).mapToObj(i -> "w" + i).toList();
        Panels.Builder toy = Panels.builder("toy").attention(words).scale(ColorScale.sequential(0, 1));
        Panels.Builder large = Panels.builder("large").attention(words).scale(ColorScale.sequential(0, 1));
        for (int head = 0; head < 1024; head++) {
            double[][] pattern = new double[tokens][tokens];
            for (int query = 0; query < tokens; query++) {
                for (int key = 0; key <= query; key++) {
                    pattern[query][key] = 1.0 / (query + 1);
                }
            }
            pattern[tokens - 1][5] = head == 700 ? 0.9 : head / 2048.0;
            large.panel("L" + head / 32 + "H" + head % 32, head / 32, head % 32, pattern);
            if (head < 16) {
                toy.panel("L" + head / 4 + "H" + head % 4, head / 4, head % 4, pattern);
            }
        }
        Panels all = toy.build();
        assertThat(all.heatMaps()).hasSize(16);
        assertThat(all.toHtml().length()).isLessThan(500_000);
        Panels some = large.build();
        assertThat(some.heatMaps()).hasSize((int) (Panels.DEFAULT_NUMBERS / (116 * 117 / 2)));
        assertThat(some.heatMaps().stream().map(HeatMap::title)).contains("large: L21H28", "large: L31H31");
        assertThat(some.toHtml().length()).isLessThan(2_500_000);
    }

    @Test
    void aPageSaysWhereItsNumbersComeFrom() {
        Provenance source = new Provenance(Map.of("model", "toy"), List.of(), Instant.parse("2026-11-28T10:45:00Z"))
                .fact("backend", "onnx")
                .prompt("clean", "When </script>\"Mary\"");
        assertThat(HtmlPage.of("p", Samples.tokens()).from(source).html())
                .contains("[\"model\",\"toy\"],[\"backend\",\"onnx\"],[\"Loupe\",\"" + Provenance.version() + "\"]")
                .contains("[\"date\",\"2026-11-28 10:45 UTC\"]")
                .contains("[\"clean\",\"When \\u003c/script\\u003e\\u0022Mary\\u0022\"]");
        assertThat(Provenance.version()).matches("\\d+\\.\\d+.*");
    }

    @Test
    void aSignedMatrixGetsADivergingScaleAndAmountsASequentialOne() {
        assertThat(Samples.patching().scale()).isEqualTo(ColorScale.diverging(2));
        assertThat(Samples.lens().scale()).isEqualTo(ColorScale.sequential(0, 0.75));
        HeatMap zeros = HeatMap.builder("zeros").values(new double[2][2]).build();
        assertThat(zeros.scale()).isEqualTo(ColorScale.sequential(0, 1));
    }

    @Test
    void coloursGoFromEndToEndAndStayThere() {
        ColorScale scale = ColorScale.diverging(1);
        assertThat(scale.color(-1)).isEqualTo(Color.decode("#67001f"));
        assertThat(scale.color(0)).isEqualTo(Color.decode("#f7f7f7"));
        assertThat(scale.color(1)).isEqualTo(Color.decode("#053061"));
        assertThat(scale.color(7)).isEqualTo(scale.color(1));
    }

    @Test
    void outerSpacesAndControlCharactersCanBeSeen() {
        assertThat(Labels.visible(" Mary ")).isEqualTo("·Mary·");
        assertThat(Labels.visible("a\n\t\u0001")).isEqualTo("a\\n\\t\\u0001");
        assertThat(Labels.visible("\uD800x")).isEqualTo("\\ud800x");
        assertThat(Labels.visible("\uD83D\uDE00")).isEqualTo("\uD83D\uDE00");
    }

    @Test
    void numbersAreWrittenWithFiveDigits() {
        double[] numbers = {0.123456, -2, 1e-9, 123456.7, Double.NaN, Double.NEGATIVE_INFINITY, 1e20, 0.1};
        assertThat(PageData.write(numbers)).isEqualTo("[0.12346,-2,1.0E-9,123456.7,null,null,1.0E20,0.1]");
    }

    @Test
    void labelsThatDontFitTheNumbersAreRefused() {
        assertThatThrownBy(() -> HeatMap.builder("m")
                        .values(new double[2][3])
                        .rows("layer", List.of("only one"))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 rows")
                .hasMessageContaining("1 row label");
        assertThatThrownBy(() -> Panels.builder("p")
                        .attention(List.of("a", "b"))
                        .panel("L0H0", new double[2][3])
                        .build())
                .hasMessageContaining("L0H0");
        assertThatThrownBy(() -> ColoredTokens.builder("t", List.of("a"))
                        .values("loss", 1, 2)
                        .build())
                .hasMessageContaining("2 values for 1 token");
    }
}
