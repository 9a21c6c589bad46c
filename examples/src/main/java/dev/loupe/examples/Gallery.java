package dev.loupe.examples;

import dev.loupe.analysis.heads.HeadScores;
import dev.loupe.analysis.heads.HeadViews;
import dev.loupe.analysis.heads.RepeatedTokens;
import dev.loupe.analysis.pages.LensPage;
import dev.loupe.analysis.pages.SteeringPage;
import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.analysis.steering.SteeringVector;
import dev.loupe.analysis.steering.SteeringVector.Take;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.analysis.views.Provenance;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Writes a page of each kind into a folder: the pictures of the documentation are taken of them. */
final class Gallery {

    private static final String CLEAN = "When Mary and John went to the store, John gave a drink to";
    private static final String CORRUPT = "When Mary and John went to the store, Mary gave a drink to";

    private final Path folder;
    private final HookedTransformer model;

    private Gallery(Path folder, HookedTransformer model) {
        this.folder = folder;
        this.model = model;
    }

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args.length > 0 ? args[0] : "gallery");
        Files.createDirectories(folder);
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
            Gallery gallery = new Gallery(folder, model);
            gallery.lens();
            gallery.attention();
            gallery.patching();
            gallery.ablation();
            gallery.steering();
        }
        try (HookedTransformer llama = HookedTransformer.fromPretrained("toy-llama")) {
            new Gallery(folder, llama).heads();
        }
    }

    private void write(String name, HtmlPage page) {
        page.write(folder.resolve(name + ".html"));
        System.out.println("Wrote " + name + ".html");
    }

    private void lens() {
        Tokens tokens = model.toTokens(CLEAN);
        try (CachedRun run = model.runWithCache(tokens)) {
            write("lens", LensPage.of(run, tokens));
        }
        Tokens longer = model.toTokens((CLEAN + " Mary. ").repeat(7));
        try (CachedRun run = model.runWithCache(longer)) {
            write("lens-long", LensPage.of(run, longer));
        }
    }

    private void attention() {
        Tokens tokens = model.toTokens(CLEAN);
        try (CachedRun run = model.runWithCache(tokens, HookFilter.glob("*hook_pattern"))) {
            write(
                    "attention",
                    HtmlPage.of(
                                    "Where the heads look",
                                    HeadViews.patterns(run.cache(), 0, model.toStrTokens(tokens.row(0))))
                            .from(Provenance.of(model).prompt(CLEAN)));
        }
    }

    private void patching() {
        LogitMetric difference = LogitMetric.logitDifference(model, " Mary", " John");
        Tokens clean = model.toTokens(CLEAN);
        Tokens corrupt = model.toTokens(CORRUPT);
        LogitMetric metric = difference.normalized(difference.ofRun(model, corrupt), difference.ofRun(model, clean));
        try (CachedRun run = model.runWithCache(clean)) {
            ActivationPatching patching = ActivationPatching.of(model, corrupt, run.cache(), metric);
            String note = "How much of the logit difference comes back: 0 is the corrupted run, 1 the clean one.";
            write(
                    "patching",
                    HtmlPage.of(
                                    "Which activations carry the name",
                                    patching.run(Sweep.RESID_PRE).view(model.toStrTokens(corrupt.row(0)), note),
                                    patching.run(Sweep.ATTN_HEAD_OUT_ALL_POS)
                                            .view(model.toStrTokens(corrupt.row(0)), note),
                                    patching.run(Sweep.ATTN_HEAD_OUT_BY_POS)
                                            .view(model.toStrTokens(corrupt.row(0)), note))
                            .from(Provenance.of(model).prompt("clean", CLEAN).prompt("corrupted", CORRUPT)));
        }
    }

    private void ablation() {
        LogitMetric metric = LogitMetric.logitDifference(model, " Mary", " John");
        Tokens tokens = model.toTokens(CLEAN);
        write(
                "ablation",
                HtmlPage.of(
                                "What the answer loses",
                                Ablation.zero()
                                        .heads(model, tokens, metric)
                                        .view(
                                                List.of(),
                                                "The logit difference between Mary and John without each head."))
                        .from(Provenance.of(model).prompt(CLEAN)));
    }

    private void steering() {
        SteeringVector italy = SteeringVector.fromContrast(
                model, List.of("The capital of Italy is"), List.of("The capital of France is"), 1, Take.LAST);
        Tokens prompt = model.toTokens("The capital of Spain is");
        GenerateOptions how = GenerateOptions.greedy(6);
        long[] plain = model.generate(prompt, how).get(0);
        long[] steered = model.generate(prompt, how.withHooks(italy.interventionAt(2, -1)))
                .get(0);
        write("steering", SteeringPage.of(model, prompt.positions(), plain, steered));
    }

    private void heads() {
        Tokens tokens = RepeatedTokens.random(model, 25, 4, 1);
        try (CachedRun run = model.runWithCache(tokens, HookFilter.glob("*hook_pattern"))) {
            HeadScores scores = HeadScores.of(run.cache());
            ColorScale shares = ColorScale.sequential(0, 1);
            write(
                    "heads",
                    HtmlPage.of(
                                    "Which heads do what",
                                    HeadViews.scores(
                                            "How much each head looks at the token before",
                                            scores.previousToken(tokens),
                                            shares),
                                    HeadViews.scores(
                                            "How much each head looks at what came next last time (induction)",
                                            scores.induction(tokens),
                                            shares))
                            .from(Provenance.of(model).fact("tokens", "25 random ones, twice; 4 sequences; seed 1")));
        }
    }
}
