package dev.loupe.graph;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Map;
import org.junit.jupiter.api.Test;

class DimTest {

    private static final Dim BATCH = Dim.symbol("batch");
    private static final Dim POS = Dim.symbol("pos");
    private static final Map<String, Long> VALUES = Map.of("batch", 3L, "pos", 5L);

    @Test
    void sumsAndProductsOfSymbolsAreKnownOnceTheSymbolsAre() {
        Dim dim = BATCH.times(POS).times(Dim.of(2)).plus(POS).plus(Dim.of(-1));

        assertThat(dim.resolve(VALUES)).isEqualTo(2 * 3 * 5 + 5 - 1);
        assertThat(dim.symbols()).containsExactly("batch", "pos");
    }

    @Test
    void whatIsEqualInArithmeticIsEqual() {
        assertThat(BATCH.times(POS)).isEqualTo(POS.times(BATCH)).hasSameHashCodeAs(POS.times(BATCH));
        assertThat(POS.plus(POS)).isEqualTo(POS.times(Dim.of(2)));
        assertThat(POS.times(Dim.of(0))).isEqualTo(Dim.of(0));
        assertThat(POS.plus(Dim.of(1)).times(BATCH)).isEqualTo(BATCH.plus(BATCH.times(POS)));
        assertThat(POS.plus(Dim.of(1))).isNotEqualTo(POS);
    }

    @Test
    void onlyASymbolByItselfIsASoleSymbol() {
        assertThat(POS.soleSymbol()).isEqualTo("pos");
        assertThat(POS.plus(Dim.of(1)).soleSymbol()).isEmpty();
        assertThat(POS.plus(POS).soleSymbol()).isEmpty();
        assertThat(POS.times(BATCH).soleSymbol()).isEmpty();
    }

    @Test
    void sizesReadAsArithmetic() {
        assertThat(BATCH.times(POS).plus(POS).plus(POS).plus(Dim.of(-3))).hasToString("batch*pos+2*pos-3");
    }

    @Test
    void aSymbolWithoutAValueIsNamed() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> POS.plus(Dim.symbol("past")).resolve(VALUES))
                .withMessageContaining("'past'");
    }
}
