package dev.loupe.cli;

import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestIndex;
import dev.loupe.harvest.HarvestListener;
import dev.loupe.harvest.HarvestPlan;
import dev.loupe.harvest.HarvestProgress;
import dev.loupe.harvest.job.AttentionStatistic;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.Positions;
import dev.loupe.harvest.parquet.ParquetFiles;
import dev.loupe.harvest.sink.SafetensorsSink;
import dev.loupe.harvest.sink.ShardSink;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe harvest}: activations over a data set in a folder of shards. */
@Command(
        name = "harvest",
        mixinStandardHelpOptions = true,
        description = "Write activations over a data set into a folder of shards, which can be resumed.")
final class HarvestCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Mixin
    private final CorpusOptions corpus = new CorpusOptions();

    @Option(
            names = "--names",
            required = true,
            paramLabel = "GLOB[,GLOB…]",
            description = "Hook points to harvest, such as 'blocks.*.hook_resid_post' or 'resid_post2'.")
    @SuppressWarnings("NullAway.Init")
    private String names;

    @Option(
            names = "--dictionary",
            paramLabel = "NAME",
            description =
                    "A sparse autoencoder or transcoder to splice in, so that its features can be harvested; may be"
                            + " repeated.")
    private List<String> dictionaries = new ArrayList<>();

    @Option(
            names = "--format",
            defaultValue = "safetensors",
            paramLabel = "F",
            description = "How shards are written: safetensors, parquet, or none to feed reducers only.")
    private String format = "safetensors";

    @Option(
            names = "--reduce",
            paramLabel = "R",
            description = "What to make of the activations as well, each in a file of its own: statistics, covariance,"
                    + " histogram:LOW:HIGH:BINS, top:K; may be repeated.")
    private List<String> reducers = new ArrayList<>();

    @Option(names = "--print-job", description = "Print the job as JSON, for Spark or for Java, and harvest nothing.")
    private boolean printJob;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            converter = OutputFolder.class,
            description = "The folder for shards and index.json.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(names = "--resume", description = "Go on with the harvest in DIR where its last whole shard ends.")
    private boolean resume;

    @Option(names = "--max-tokens", paramLabel = "N", description = "Stop after so many tokens.")
    @Nullable
    private Long maxTokens;

    @Option(
            names = "--attention",
            paramLabel = "STATISTIC",
            description =
                    "What is written of patterns and scores, whose keys are as many as the row has tokens: entropy,"
                            + " max, first, self or previous, for each token and head.")
    private @Nullable String attention;

    @Option(
            names = "--positions",
            defaultValue = ":",
            paramLabel = "SLICE",
            description = "Positions of each row to keep: ':' all, '1:' all but the first, '-1' the last.")
    private String positions = ":";

    @Option(
            names = "--write-dtype",
            defaultValue = "float32",
            paramLabel = "TYPE",
            description =
                    "The type of what is written: float32, float16, bfloat16, float64. Default: ${DEFAULT-VALUE}.")
    private String writeDType = "float32";

    @Option(
            names = "--batch-tokens",
            defaultValue = "" + HarvestJob.BATCH_TOKENS,
            paramLabel = "N",
            description = "Tokens of a batch, padding included. Default: ${DEFAULT-VALUE}.")
    private int batchTokens = HarvestJob.BATCH_TOKENS;

    @Option(
            names = "--shard-tokens",
            defaultValue = "0",
            paramLabel = "N",
            description = "Tokens of a shard at most; 0 for 65,536, or as many as take 64 MiB.")
    private long shardTokens;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        for (String name : dictionaries) {
            options.followOptionsOf(Dictionaries.load(name, null, new TerminalProgress("Loading"))
                    .config()
                    .modelOptions());
        }
        HarvestJob job = options.job(Arrays.asList(names.split(",", -1)))
                .withPacking(corpus.packing())
                .withPositions(Positions.parse(positions))
                .withAttention(attention == null ? null : AttentionStatistic.parse(attention))
                .withDType(ModelOptions.type("--write-dtype", writeDType))
                .withDictionaries(dictionaries)
                .withReducers(reducers)
                .withSizes(batchTokens, shardTokens);
        PrintWriter print = spec.commandLine().getOut();
        if (printJob) {
            print.println(job.toJson());
            return 0;
        }
        Harvest.Builder harvest =
                Harvest.of(job, corpus.source()).into(out).resume(resume).sink(sink());
        if (maxTokens != null) {
            harvest.maxTokens(maxTokens);
        }
        HarvestIndex index;
        try (TerminalProgress bar = new TerminalProgress("Harvesting")) {
            index = harvest.listener(new Reporter(json ? null : print, bar)).run();
        }
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("out", out.toString());
            object.put("tokens", index.tokens());
            object.put("shards", index.shards().size());
            object.put("complete", index.complete());
            List<Object> points = new ArrayList<>();
            index.layout().points().forEach(point -> {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("name", point.name());
                one.put("shape", point.shape());
                one.put("dtype", point.dtype().label());
                points.add(one);
            });
            object.put("points", points);
            Output.json(print, object);
        } else {
            print.println(Output.format(
                    "Wrote %,d tokens of %d points in %d shards to %s",
                    index.tokens(),
                    index.layout().points().size(),
                    index.shards().size(),
                    out));
            print.flush();
        }
        return 0;
    }

    private @Nullable ShardSink sink() {
        return switch (format) {
            case "safetensors" -> new SafetensorsSink();
            case "parquet" -> ParquetFiles.shards();
            case "none" -> {
                if (reducers.isEmpty()) {
                    throw new UsageException(
                            "--format none writes no activations, so it goes with --reduce; nothing would be left else");
                }
                yield null;
            }
            default -> throw new UsageException("--format is safetensors, parquet or none, found '" + format + "'");
        };
    }

    /** Says what will be done, and on a terminal how far it is. */
    private static final class Reporter implements HarvestListener {
        private final @Nullable PrintWriter print;
        private final TerminalProgress bar;

        Reporter(@Nullable PrintWriter print, TerminalProgress bar) {
            this.print = print;
            this.bar = bar;
        }

        @Override
        public void begun(HarvestPlan plan) {
            if (print == null) {
                return;
            }
            print.println(Output.format(
                    "%d points, %,d bytes a token; shards of up to %,d tokens, of which two take %,.0f MB of memory",
                    plan.layout().points().size(),
                    plan.layout().bytesPerToken(),
                    plan.shardTokens(),
                    plan.memory() / 1e6));
            if (plan.resumedShards() > 0) {
                print.println(Output.format(
                        "Going on after %d shards with %,d tokens", plan.resumedShards(), plan.resumedTokens()));
            }
            print.flush();
        }

        @Override
        public void progress(HarvestProgress progress) {
            bar.progress(progress);
        }
    }
}
