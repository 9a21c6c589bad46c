package dev.loupe.hook;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Interventions as text and as JSON come from outside: changed anywhere, they are read or refused in words. */
class MutatedInterventionsTest {

    private static final int MUTATIONS = 2000;
    private static final long SEED = 15;
    private static final List<String> TEXTS = List.of(
            "blocks.2.attn.hook_z[:, -1, 3] = 0",
            "blocks.*.hook_mlp_out *= 0.5",
            "hook_embed[0, 2:5] += 1.25",
            "blocks.0.hook_resid_post = mean(batch, pos)");
    private static final List<String> ODD = List.of(
            "NaN", "1e999", "-", "null", "[]", "{}", "\"\"", "[[[[", "99999999999999999999", ":::", "\u0000", "\ud800");

    @Test
    void changedInterventionsAreReadOrRefusedInWords() {
        Random random = new Random(SEED);
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            Intervention original = Intervention.parse(TEXTS.get(random.nextInt(TEXTS.size())));
            boolean json = random.nextBoolean();
            String changed = mutated(json ? original.toJson() : original.toString(), random);
            Function<String, Intervention> reader = json ? Intervention::fromJson : Intervention::parse;
            String mutation = "seed " + SEED + ", mutation " + i + ": " + changed;
            try {
                Intervention read = reader.apply(changed);
                assertThat(read.points()).as(mutation).isNotNull();
                assertThat(Intervention.fromJson(read.toJson()).toString())
                        .as(mutation)
                        .isEqualTo(read.toString());
            } catch (IllegalArgumentException e) {
                refused++;
                assertThat(e.getMessage())
                        .as(mutation)
                        .isNotBlank()
                        .hasSizeLessThan(2000)
                        .doesNotEndWith(": null");
            } catch (RuntimeException | Error e) {
                throw new AssertionError(mutation + ": " + e, e);
            }
        }
        assertThat(refused).isBetween(MUTATIONS / 4, MUTATIONS - 1);
    }

    private static String mutated(String text, Random random) {
        int at = random.nextInt(text.length());
        int end = Math.min(text.length(), at + 1 + random.nextInt(8));
        return switch (random.nextInt(5)) {
            case 0 -> text.substring(0, at) + ODD.get(random.nextInt(ODD.size())) + text.substring(end);
            case 1 -> text.substring(0, at) + (char) (32 + random.nextInt(200)) + text.substring(at + 1);
            case 2 -> text.substring(0, at) + text.substring(end);
            case 3 -> text.substring(0, end) + text.substring(at);
            default -> text.substring(0, at);
        };
    }
}
