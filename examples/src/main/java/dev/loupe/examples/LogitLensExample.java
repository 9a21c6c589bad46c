package dev.loupe.examples;

import dev.loupe.analysis.residual.LensReading;
import dev.loupe.analysis.residual.LogitLens;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The logit lens: after which layer does a model know the capital of a country? */
final class LogitLensExample {

    private LogitLensExample() {}

    public static void main(String[] args) {
        String prompt = "The capital of France is";
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2");
                CachedRun run = model.runWithCache(prompt)) {
            LensReading lens = LogitLens.of(run.cache())
                    .topK(3)
                    .watch(model.toSingleToken(" Paris"))
                    .read();
            List<String> tokens = model.toStrTokens(prompt);
            int last = tokens.size() - 1;
            System.out.println(prompt);
            for (int slice = 0; slice < lens.labels().size(); slice++) {
                System.out.printf(
                        Locale.ROOT,
                        "%-10s Paris: probability %.3f, rank %d   best: %s%n",
                        lens.labels().get(slice),
                        lens.probabilities().item(slice, 0, last, 0),
                        (long) lens.ranks().item(slice, 0, last, 0),
                        lens.topStrTokens(slice, 0, last));
            }
            // The same for every position, as a page: java LogitLensExample.java lens.html
            if (args.length > 0) {
                lens.view(0, tokens).writeHtml(Path.of(args[0]));
            }
        }
    }
}
