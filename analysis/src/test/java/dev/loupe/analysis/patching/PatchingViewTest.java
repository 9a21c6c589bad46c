package dev.loupe.analysis.patching;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import dev.loupe.analysis.support.Golden;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.View;
import dev.loupe.fixtures.Fixtures;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PatchingViewTest {

    private static final List<String> TOKENS = List.of("<|endoftext|>", "When", " Mary", " Mary");

    /** The kinds of both stacked sweeps of heads, without what all of them share. */
    private static final List<String> KINDS = List.of("out", "q", "k", "v", "pattern");

    private Golden golden;

    @BeforeAll
    void load() {
        golden = new Golden(Fixtures.GPT2);
    }

    @AfterAll
    void close() {
        golden.close();
    }

    /** Values that tell where they come from: an index in each decimal place, the first axis in the highest. */
    private PatchingResult result(Sweep sweep, List<SweepAxis> axes, long... shape) {
        long elements = 1;
        for (long size : shape) {
            elements *= size;
        }
        float[] values = new float[(int) elements];
        for (int i = 0; i < values.length; i++) {
            int rest = i;
            for (int axis = shape.length - 1, place = 1; axis >= 0; axis--, place *= 10) {
                values[i] += rest % (int) shape[axis] * place;
                rest /= (int) shape[axis];
            }
        }
        List<String> kinds = sweep.members().stream().map(Sweep::id).toList();
        return new PatchingResult(sweep.id(), axes, golden.model().tensors().of(values, shape), kinds);
    }

    /** A panel as the page has it, with numbers first + row * byRow + column * byColumn. */
    private static String panel(String name, int first, int rows, int byRow, int columns, int byColumn) {
        List<String> lines = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            int start = first + row * byRow;
            lines.add(IntStream.range(0, columns)
                    .mapToObj(column -> Integer.toString(start + column * byColumn))
                    .toList()
                    .toString()
                    .replace(" ", ""));
        }
        return "{\"name\":\"" + name + "\",\"values\":[" + String.join(",", lines) + "]";
    }

    private static List<String> titles(View view) {
        return view.heatMaps().stream().map(HeatMap::title).toList();
    }

    @Test
    void aSweepOverLayersPositionsAndHeadsHasAPanelOfLayersByPositionsForEachHead() {
        View view = result(Sweep.ATTN_HEAD_OUT_BY_POS, Sweep.ATTN_HEAD_OUT_BY_POS.axes(), 2, 4, 3)
                .view(TOKENS);
        String page = view.toHtml();
        assertThat(page)
                .contains(
                        "\"title\":\"Each head\\u0027s output at each position\"",
                        "\"note\":\"(attn_head_out_by_pos)\"")
                .contains("\"rowName\":\"layer\",\"rows\":[\"0\",\"1\"]")
                .contains("\"columnName\":\"pos\"")
                .contains("\"When\",\"\\u00b7Mary\",\"\\u00b7Mary\"]")
                .contains("\"perRow\":3");
        for (int head = 0; head < 3; head++) {
            assertThat(page).contains(panel("H" + head, head, 2, 100, 4, 10));
        }
        assertThat(titles(view))
                .containsExactly(
                        "Each head's output at each position: H0",
                        "Each head's output at each position: H1",
                        "Each head's output at each position: H2");
    }

    @Test
    void aStackedSweepOverHeadsHasAPanelOfLayersByHeadsForEachKind() {
        List<SweepAxis> axes = List.of(SweepAxis.KIND, SweepAxis.LAYER, SweepAxis.HEAD);
        View view = result(Sweep.ATTN_HEAD_ALL_POS_EVERY, axes, 5, 2, 3).view(TOKENS);
        String page = view.toHtml();
        assertThat(page)
                .contains("\"rowName\":\"layer\",\"rows\":[\"0\",\"1\"]")
                .contains("\"columnName\":\"head\",\"columns\":[\"0\",\"1\",\"2\"]")
                .contains("\"perRow\":5");
        for (int kind = 0; kind < 5; kind++) {
            assertThat(page).contains(panel(KINDS.get(kind), 100 * kind, 2, 10, 3, 1));
        }
        assertThat(view.heatMaps()).hasSize(5);
    }

    @Test
    void aStackedSweepByPositionHasAPanelOfLayersByPositionsForEachKindAndHead() {
        List<SweepAxis> axes = List.of(SweepAxis.KIND, SweepAxis.LAYER, SweepAxis.POS, SweepAxis.HEAD);
        View view = result(Sweep.ATTN_HEAD_BY_POS_EVERY, axes, 5, 2, 4, 3).view(TOKENS, "What it says.");
        String page = view.toHtml();
        assertThat(page)
                .contains("\"note\":\"What it says. (attn_head_by_pos_every)\"")
                .contains("\"columnName\":\"pos\"")
                .contains("\"perRow\":3");
        for (int kind = 0; kind < 5; kind++) {
            for (int head = 0; head < 3; head++) {
                assertThat(page).contains(panel(KINDS.get(kind) + " H" + head, 1000 * kind + head, 2, 100, 4, 10));
            }
        }
        assertThat(titles(view))
                .hasSize(15)
                .allMatch(title ->
                        title.startsWith("Each head's output, queries, keys, values and attention, at each position: "))
                .first(STRING)
                .endsWith(": out H0");
    }

    @Test
    void entriesOfPatternsAreDrawnAsPatterns() {
        Sweep sweep = Sweep.ATTN_HEAD_PATTERN_DEST_SRC_POS;
        String page = result(sweep, sweep.axes(), 2, 3, 4, 4).view(TOKENS).toHtml();
        assertThat(page)
                .contains("\"rowName\":\"dest_pos\"")
                .contains("\"columnName\":\"src_pos\"")
                .contains(panel("L1H2", 1200, 4, 10, 4, 1));
    }

    @Test
    void kindsThatShareNoWordKeepTheirNames() {
        List<SweepAxis> axes = List.of(SweepAxis.KIND, SweepAxis.LAYER, SweepAxis.POS);
        String page = result(Sweep.BLOCK_EVERY, axes, 3, 2, 4).view(List.of()).toHtml();
        assertThat(page).contains(panel("resid_pre", 0, 2, 10, 4, 1)).contains(panel("mlp_out", 200, 2, 10, 4, 1));
        assertThat(page).contains("\"columns\":[\"0\",\"1\",\"2\",\"3\"]");
    }

    @Test
    void aPanelBecomesAnSvgOfItsOwnOnTheSweepsColours() {
        View view = result(Sweep.ATTN_HEAD_OUT_BY_POS, Sweep.ATTN_HEAD_OUT_BY_POS.axes(), 2, 4, 3)
                .view(TOKENS);
        for (HeatMap map : view.heatMaps()) {
            // The ends of the scale are those of the whole sweep, whose largest value is 132.
            assertThat(map.toSvg())
                    .contains(">" + map.title().replace("'", "&#39;") + "<", ">·Mary<", ">layer<", ">132<", ">-132<");
        }
    }

    @Test
    void axesWithoutLayersAreDrawnToo() {
        String byPosition = result(Sweep.ATTN_HEAD_OUT_BY_POS, List.of(SweepAxis.POS, SweepAxis.HEAD), 4, 3)
                .view(TOKENS)
                .toHtml();
        assertThat(byPosition)
                .contains("\"rowName\":\"head\"", "\"columnName\":\"pos\"", "\"values\":[[0,10,20,30],[1,11,21,31]");
        String alone =
                result(Sweep.RESID_PRE, List.of(SweepAxis.POS), 4).view(TOKENS).toHtml();
        assertThat(alone).contains("\"columnName\":\"pos\"", "\"values\":[[0,1,2,3]]");
    }

    @Test
    void aPageCanShowTheHeadsAndLayersOfASweepAlone() {
        String panels = result(Sweep.ATTN_HEAD_OUT_BY_POS, Sweep.ATTN_HEAD_OUT_BY_POS.axes(), 2, 4, 3)
                .view(TOKENS)
                .toHtml();
        assertThat(panels).contains("\"head\":0}", "\"head\":1}", "\"head\":2}");
        String map = result(Sweep.ATTN_HEAD_OUT_ALL_POS, Sweep.ATTN_HEAD_OUT_ALL_POS.axes(), 2, 3)
                .view(List.of())
                .toHtml();
        assertThat(map).contains("\"rowLayers\":[0,1]", "\"columnHeads\":[0,1,2]");
    }

    @Test
    void asTextASweepIsATable() {
        PatchingResult heads = result(Sweep.ATTN_HEAD_OUT_ALL_POS, Sweep.ATTN_HEAD_OUT_ALL_POS.axes(), 2, 3);
        assertThat(heads.toString().lines())
                .containsExactly(
                        "Each head's output at all positions [layer 2, head 3]",
                        "               H0       H1       H2",
                        "L0          0.000    1.000    2.000",
                        "L1         10.000   11.000   12.000");
    }

    @Test
    void asTextASweepOfManyAxesIsAListOfTheStrongest() {
        PatchingResult result = result(Sweep.ATTN_HEAD_OUT_BY_POS, Sweep.ATTN_HEAD_OUT_BY_POS.axes(), 2, 4, 3);
        assertThat(result.toString().lines())
                .hasSize(22)
                .startsWith("Each head's output at each position [layer 2, pos 4, head 3]", "  132.000  L1 pos 3 H2")
                .endsWith("and 4 nearer to zero");
    }

    @Test
    void asCsvASweepHasALineForEachNumber() {
        List<SweepAxis> axes = List.of(SweepAxis.KIND, SweepAxis.LAYER, SweepAxis.POS);
        assertThat(result(Sweep.BLOCK_EVERY, axes, 3, 2, 4).toCsv().split("\r\n", -1))
                .hasSize(1 + 24 + 1)
                .startsWith("kind,layer,pos,value", "resid_pre,0,0,0.0", "resid_pre,0,1,1.0")
                .endsWith("mlp_out,1,3,213.0", "");
    }

    @Test
    void theStrongestNumbersComeWithTheirIndices() {
        PatchingResult result = result(Sweep.RESID_PRE, Sweep.RESID_PRE.axes(), 2, 4);
        PatchingResult negative =
                new PatchingResult(result.name(), result.axes(), result.values().sub(11.5), result.kinds());
        assertThat(negative.largest(2))
                .containsExactly(
                        new PatchingResult.Entry(Map.of(SweepAxis.LAYER, 1, SweepAxis.POS, 3), 1.5),
                        new PatchingResult.Entry(Map.of(SweepAxis.LAYER, 1, SweepAxis.POS, 2), 0.5));
        assertThat(negative.strongest(1))
                .containsExactly(new PatchingResult.Entry(Map.of(SweepAxis.LAYER, 0, SweepAxis.POS, 0), -11.5));
    }

    @Test
    void tokensThatArentThePromptsAreRefused() {
        PatchingResult result = result(Sweep.RESID_PRE, Sweep.RESID_PRE.axes(), 2, 4);
        assertThatThrownBy(() -> result.view(TOKENS.subList(1, 4)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("resid_pre has 4 positions")
                .hasMessageContaining("3 tokens");
    }
}
