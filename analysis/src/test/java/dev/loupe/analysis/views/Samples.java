package dev.loupe.analysis.views;

import java.util.List;

/** Views with awkward labels. */
final class Samples {

    static final List<String> TOKENS =
            List.of("<|endoftext|>", "When", " Mary", "</script><b>", "\n", "日本", "\uD83D\uDE00", "a\"b'&");

    private Samples() {}

    /** Each query looks at itself, more the further it stands, and spreads the rest over what came before. */
    static double[][] pattern(int head) {
        int n = TOKENS.size();
        double[][] pattern = new double[n][n];
        for (int q = 0; q < n; q++) {
            for (int k = 0; k < q; k++) {
                pattern[q][k] = 1.0 / (q + 1 + head);
            }
            pattern[q][q] = 1 - q * 1.0 / (q + 1 + head);
        }
        return pattern;
    }

    static Panels attention() {
        Panels.Builder builder =
                Panels.builder("Attention").attention(TOKENS).perRow(2).scale(ColorScale.sequential(0, 1));
        for (int head = 0; head < 4; head++) {
            builder.panel("L" + head / 2 + "H" + head % 2, pattern(head));
        }
        return builder.build();
    }

    static HeatMap patching() {
        double[][] values = {{-0.5, 0, 1.25}, {0.125, Double.NaN, 2}};
        return HeatMap.builder("resid_pre")
                .values(values)
                .rows("layer")
                .columns("position", List.of("The", " <b>", "&amp;"))
                .build();
    }

    static HeatMap lens() {
        return HeatMap.builder("Logit lens")
                .values(new double[][] {{0.25, 0.75}})
                .rows("layer", List.of("0_pre"))
                .columns("position", List.of("a", "b"))
                .texts(List.of(List.of(" Mary", " John")))
                .tips(List.of(List.of(List.of("1. Mary 0.25", "2. John 0.2"), List.of("1. John 0.75"))))
                .build();
    }

    static ColoredTokens tokens() {
        return ColoredTokens.builder("Loss", List.of("a", " b", "c"))
                .values("loss", 0.5, 2, Double.NaN)
                .values("rank", 0, 3, 17)
                .build();
    }
}
