package dev.loupe.benchmarks;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestParts;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.Sources;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * What a harvest costs beside its runs: the same batches run by hand, their activations copied to Java's memory and
 * dropped, against the harvest of them with its files. Both take turns, and the medians are compared.
 *
 * <p>{@code HarvestCosts BACKEND [toy-gpt2|gpt2-small] [TURNS] [ROWS]}
 */
public final class HarvestCosts {

    private static final int ROW = 128;

    private HarvestCosts() {}

    /** Runs the comparison. */
    public static void main(String[] args) throws IOException {
        String backend = args[0];
        boolean small = args.length > 1 && args[1].equals("gpt2-small");
        int turns = args.length > 2 ? Integer.parseInt(args[2]) : 7;
        int rows = args.length > 3 ? Integer.parseInt(args[3]) : small ? 64 : 1024;
        LoadOptions options = LoadOptions.defaults().withBackend(backend);
        try (HookedTransformer model =
                small ? Gpt2Small.model(backend, 0) : HookedTransformer.fromPretrained("toy-gpt2", options)) {
            // The toy model's context is shorter.
            int length = Math.min(ROW, model.config().nCtx());
            List<Document> documents = documents(rows, length, model.config().dVocab());
            HarvestJob job =
                    HarvestJob.of("toy-gpt2", "blocks.*.hook_resid_post").withOptions(options);
            double[] byHand = new double[turns];
            double[] harvest = new double[turns];
            for (int turn = -1; turn < turns; turn++) {
                double hand = byHand(model, job, documents, length);
                double harvested = harvest(model, job, documents);
                if (turn >= 0) {
                    byHand[turn] = hand;
                    harvest[turn] = harvested;
                }
            }
            Arrays.sort(byHand);
            Arrays.sort(harvest);
            double tokens = (double) rows * length;
            System.out.printf(
                    "%s on %s, %,.0f tokens: by hand %.2f s (%,.0f tokens/s), harvest %.2f s, ratio %.3f%n",
                    model.config().modelName(),
                    backend,
                    tokens,
                    byHand[turns / 2],
                    tokens / byHand[turns / 2],
                    harvest[turns / 2],
                    harvest[turns / 2] / byHand[turns / 2]);
        }
    }

    private static List<Document> documents(int rows, int length, int vocabulary) {
        Random random = new Random(1);
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            documents.add(Document.tokens(
                    i, "row " + i, random.longs(length, 0, vocabulary).toArray()));
        }
        return documents;
    }

    private static double byHand(HookedTransformer model, HarvestJob job, List<Document> documents, int length) {
        long start = System.nanoTime();
        int batch = job.batchTokens() / length;
        HookFilter filter = job.filter();
        long elements = 0;
        for (int i = 0; i < documents.size(); i += batch) {
            long[][] rows = documents.subList(i, Math.min(documents.size(), i + batch)).stream()
                    .map(Document::tokens)
                    .toArray(long[][]::new);
            RunRequest request = RunRequest.of(Tokens.of(rows))
                    .observe(filter)
                    .returns(Returns.NONE)
                    .build();
            try (RunResult run = model.run(request)) {
                for (Tensor tensor : run.cache().items().values()) {
                    HostTensor numbers = tensor.toHost();
                    elements += numbers.shape().elements();
                }
            }
        }
        if (elements == 0) {
            throw new IllegalStateException("Nothing was observed");
        }
        return (System.nanoTime() - start) / 1e9;
    }

    private static double harvest(HookedTransformer model, HarvestJob job, List<Document> documents)
            throws IOException {
        Path folder = Files.createTempDirectory("harvest-costs");
        try {
            long start = System.nanoTime();
            Harvest.of(job, Sources.of("rows", documents))
                    .model(model)
                    .into(folder.resolve("out"))
                    .run();
            return (System.nanoTime() - start) / 1e9;
        } finally {
            HarvestParts.delete(folder);
        }
    }
}
