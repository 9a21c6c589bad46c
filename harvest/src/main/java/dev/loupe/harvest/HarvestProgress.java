package dev.loupe.harvest;

import java.time.Duration;
import java.util.Locale;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * How far a harvest is.
 *
 * @param tokens that are computed, those of an earlier, interrupted run included
 * @param fraction how much of the whole this is, between 0 and 1; NaN if that isn't known
 * @param tokensPerSecond since this run began
 * @param timeLeft at this pace; null if the whole isn't known
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record HarvestProgress(
        long tokens,
        double fraction,
        double tokensPerSecond,
        @Nullable Duration timeLeft) {

    @Override
    public String toString() {
        StringBuilder text =
                new StringBuilder(String.format(Locale.ROOT, "%,d tokens, %,.0f tokens/s", tokens, tokensPerSecond));
        if (!Double.isNaN(fraction)) {
            text.append(String.format(Locale.ROOT, ", %.0f%%", 100 * fraction));
        }
        Duration left = timeLeft;
        if (left != null) {
            text.append(String.format(
                    Locale.ROOT, ", %d:%02d:%02d left", left.toHours(), left.toMinutesPart(), left.toSecondsPart()));
        }
        return text.toString();
    }
}
