package dev.loupe.hook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GlobTest {

    private static List<String> chosen(String glob, String... names) {
        List<HookPoint> points = Arrays.stream(names)
                .map(name -> new HookPoint(name, false, List.of()))
                .toList();
        return HookFilter.glob(glob).select(new HookNames(points, 1)).stream()
                .map(HookPoint::name)
                .toList();
    }

    @ParameterizedTest
    @CsvSource({
        "a.b, a.b, true",
        "a.b, axb, false",
        "*, anything, true",
        "?, ab, false",
        "??, ab, true",
        "a*c, abcbc, true",
        "a*c, abcb, false",
        "*b*, abc, true",
        "a**b, ab, true",
        "a*?, a, false",
        "*hook_pattern, blocks.3.attn.hook_pattern, true",
        "blocks.?.hook*, blocks.11.hook_z, false",
        "[a-z](x, [a-z](x, true",
    })
    void aStarIsAnyCharactersAndAQuestionMarkIsOne(String glob, String name, boolean matches) {
        assertThat(new Glob(glob).matches(name)).isEqualTo(matches);
    }

    @Test
    void theEmptyPatternIsTheEmptyNameAlone() {
        assertThat(new Glob("").matches("")).isTrue();
        assertThat(new Glob("").matches("a")).isFalse();
        assertThat(new Glob("*").matches("")).isTrue();
    }

    /** What a glob says as a regular expression, which is slow for some, but plain. */
    @Test
    void globsMatchWhatTheRegularExpressionDoes() {
        long seed = 11;
        Random random = new Random(seed);
        for (int i = 0; i < 20_000; i++) {
            String glob = random(random, "ab*?", 7);
            String name = random(random, "ab", 7);
            boolean expected = Pattern.matches(glob.replace("*", ".*").replace('?', '.'), name);
            assertThat(new Glob(glob).matches(name))
                    .as("seed %d: '%s' on '%s'", seed, glob, name)
                    .isEqualTo(expected);
        }
    }

    private static String random(Random random, String letters, int most) {
        StringBuilder text = new StringBuilder();
        for (int length = random.nextInt(most + 1); length > 0; length--) {
            text.append(letters.charAt(random.nextInt(letters.length())));
        }
        return text.toString();
    }

    @Test
    void manyStarsTakeNoTime() {
        String name = "blocks.0." + "a".repeat(200);
        assertTimeoutPreemptively(Duration.ofSeconds(2), () -> {
            assertThat(chosen("*a".repeat(60), name)).containsExactly(name);
            assertThat(new Glob("*a".repeat(60) + "*b").matches(name)).isFalse();
            assertThat(chosen("*".repeat(1_000_000), name)).containsExactly(name);
        });
    }
}
