package dev.loupe.hook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class InterventionTest {

    static List<Intervention> all() {
        HostTensor vector = HostTensor.of(Shape.of(3), 0.1f, -2.5e-8f, Float.NEGATIVE_INFINITY);
        return List.of(
                Intervention.zero("z", 2).heads(1),
                Intervention.set("blocks.0.hook_resid_pre", 0),
                Intervention.set("attn_scores1", Double.NEGATIVE_INFINITY).rows(0, -1),
                Intervention.add("resid_post", 1.5).lastReal(),
                Intervention.scale("pattern", 3, 1e-30).heads(0).positions(1, 4, 7),
                Intervention.mean("blocks.*.mlp.hook_post", Axis.POS, Axis.BATCH)
                        .indices(3),
                Intervention.stopGradient("blocks.*.attn.hook_pattern"),
                new Intervention("x", Selection.ALL, new Intervention.Patch(null, "a file: odd \"one\".safetensors")),
                new Intervention("x", Selection.ALL, new Intervention.Add(Intervention.Values.of(vector))),
                new Intervention(
                        "x", Selection.ALL, new Intervention.Set(new Intervention.Values(-0.5, vector, null, null))),
                new Intervention(
                        "resid_post1",
                        Selection.ALL,
                        new Intervention.Add(new Intervention.Values(0.5, null, "dir/v.safetensors", "honesty"))),
                new Intervention(
                        "resid_post1",
                        Selection.ALL,
                        new Intervention.ProjectOut(new Intervention.Values(1, null, "v.safetensors", "a b"))),
                Intervention.zero("q0").positionsOf(" Mary, \"x\"]"),
                Intervention.zero("q0").positionOfEachRow(3, -1),
                Intervention.zero("q0").promptPositions(0, -1),
                Intervention.zero("q0").heads().where(Selection.Which.POS, new Selection.EachRow(List.of())),
                Intervention.zero("q0").where(Selection.Which.POS, new Selection.Range(2, Long.MAX_VALUE, 3)),
                Intervention.zero("q0").where(Selection.Which.KEY, new Selection.Range(-4, -1, 1)));
    }

    @ParameterizedTest
    @MethodSource("all")
    void textReadsBackAsTheSame(Intervention intervention) {
        assertThat(Intervention.parse(intervention.toString())).isEqualTo(intervention);
    }

    @ParameterizedTest
    @MethodSource("all")
    void jsonReadsBackAsTheSame(Intervention intervention) {
        assertThat(Intervention.fromJson(intervention.toJson())).isEqualTo(intervention);
    }

    @Test
    void theFormsOfTheSpecificationAreRead() {
        HookPoint z = HookPoint.of("blocks.2.attn.hook_z", Axis.BATCH, Axis.POS, Axis.HEAD, Axis.D_HEAD);
        Intervention zero = Intervention.parse("blocks.2.attn.hook_z[:, -1, 3] = 0");
        assertThat(zero.action()).isEqualTo(new Intervention.Zero());
        assertThat(zero.selection().axes(z))
                .containsOnlyKeys(1, 2)
                .containsEntry(1, new Selection.At(List.of(-1L)))
                .containsEntry(2, new Selection.At(List.of(3L)));
        assertThat(Intervention.parse("resid_post 1 += 0.5 * vectors.safetensors:honesty"))
                .isEqualTo(new Intervention(
                        "resid_post1",
                        Selection.ALL,
                        new Intervention.Add(new Intervention.Values(0.5, null, "vectors.safetensors", "honesty"))));
        assertThat(Intervention.parse("pattern 3[:, 0] *= 0.3").action()).isEqualTo(new Intervention.Scale(0.3));
        assertThat(Intervention.parse("mlp_out 0 = mean(pos)").action())
                .isEqualTo(new Intervention.Mean(List.of(Axis.POS)));
        assertThat(Intervention.parse("z0 = patch(run.safetensors)").action())
                .isEqualTo(new Intervention.Patch(null, "run.safetensors"));
        assertThat(Intervention.parse("resid_post0 -= proj(v.safetensors:d)").action())
                .isInstanceOf(Intervention.ProjectOut.class);
        assertThat(Intervention.parse("pattern0 stop").action()).isEqualTo(new Intervention.Stop());
        assertThat(Intervention.parse("resid_post0 -= v.safetensors:d").action())
                .isEqualTo(new Intervention.Add(new Intervention.Values(-1, null, "v.safetensors", "d")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "z2",
                "= 0",
                "z2[ = 0",
                "z2[:, x] = 0",
                "z2[heads=1] = 0",
                "z2 = ",
                "z2 = banana",
                "z2 *= v.safetensors:d",
                "blocks.*= 0",
                "z2 = mean(time)",
                "z2[1:2:0] = 0",
                "z2 = float32[3](1 2)",
                "z2 = float33[1](1)",
                "z2[\"x] = 0",
                "z2[prompt(x)] = 0",
                "z2[head=] = 0"
            })
    void whatCannotBeReadIsShownWithTheForm(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Intervention.parse(text))
                .withMessageContaining("'" + text + "'")
                .withMessageContaining("POINT[SELECTION]");
    }

    @Test
    void aSelectionOfAnAxisThatThePointDoesNotHaveIsRefusedWithItsAxes() {
        HookPoint residual = HookPoint.of("blocks.0.hook_resid_pre", Axis.BATCH, Axis.POS, Axis.D_MODEL);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Intervention.zero("x").heads(1).selection().axes(residual))
                .withMessageContaining("head=1")
                .withMessageContaining("D_MODEL");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        Intervention.parse("x[:, :, last] = 0").selection().axes(residual))
                .withMessageContaining("counts D_MODEL");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        Intervention.parse("x[:, 1, pos=2] = 0").selection().axes(residual))
                .withMessageContaining("twice");
    }

    @Test
    void aFunctionHasNoJsonAndSaysSo() {
        assertThatIllegalStateException()
                .isThrownBy(() -> Intervention.function("x", x -> x.mul(2)).toJson())
                .withMessageContaining("function");
    }
}
