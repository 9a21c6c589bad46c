package dev.loupe.harvest.spark;

import dev.loupe.harvest.HarvestIndex;
import dev.loupe.harvest.job.HarvestJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The driver of a harvest on Spark, for {@code spark-submit}. Exit codes: 0 done, 1 failed, 2 wrong usage. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
@Command(
        name = "spark-harvest",
        mixinStandardHelpOptions = true,
        description = "Run a harvest's job over a data set on Spark.")
public final class SparkHarvestMain implements Callable<Integer> {

    @Option(
            names = "--job",
            required = true,
            paramLabel = "FILE",
            description = "The job as JSON, as 'loupe harvest --print-job' writes it.")
    @SuppressWarnings("NullAway.Init")
    private Path job;

    @Option(
            names = "--input",
            required = true,
            paramLabel = "PATH",
            description = "The data set, wherever Spark reads: .parquet, .json or .jsonl, .csv with a header, else text"
                    + " with a document a line.")
    @SuppressWarnings("NullAway.Init")
    private String input;

    @Option(
            names = "--column",
            defaultValue = "text",
            paramLabel = "NAME",
            description = "The column with texts or token ids. Default: ${DEFAULT-VALUE}.")
    private String column = "text";

    @Option(names = "--id", paramLabel = "NAME", description = "The column with documents' numbers.")
    private @Nullable String id;

    @Option(names = "--partitions", paramLabel = "N", description = "Divide the data set into so many partitions.")
    private @Nullable Integer partitions;

    @ArgGroup(exclusive = true, multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    private Target target;

    /** One of the two. */
    static final class Target {
        @Option(names = "--out", paramLabel = "DIR", description = "Write shards into DIR, which all executors see.")
        @Nullable
        Path out;

        @Option(
                names = "--dataset",
                paramLabel = "PATH",
                description = "Write a Dataset as Parquet, wherever Spark writes.")
        @Nullable
        String dataset;
    }

    @Option(names = "--resume", description = "Go on with what is in --out DIR.")
    private boolean resume;

    @Option(names = "--master", paramLabel = "URL", description = "Spark's master, if spark-submit doesn't say it.")
    private @Nullable String master;

    private SparkHarvestMain() {}

    /** Runs and ends the process with its exit code. */
    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new SparkHarvestMain());
        line.setExecutionExceptionHandler((e, command, result) -> {
            Throwable cause = e;
            while (cause.getCause() != null && !(cause instanceof IllegalArgumentException)) {
                cause = cause.getCause();
            }
            command.getErr().println("spark-harvest: " + (cause.getMessage() == null ? cause : cause.getMessage()));
            command.getErr().flush();
            return CommandLine.ExitCode.SOFTWARE;
        });
        return line;
    }

    @Override
    public Integer call() throws IOException {
        HarvestJob parsed = HarvestJob.fromJson(Files.readString(job));
        SparkSession.Builder builder = SparkSession.builder().appName("loupe-harvest");
        if (master != null) {
            builder.master(master);
        }
        try (SparkSession spark = builder.getOrCreate()) {
            Dataset<Row> documents = read(spark);
            String number = id;
            if (partitions != null) {
                if (number == null) {
                    throw new IllegalArgumentException(
                            "--partitions goes with --id: what is divided anew has to come in"
                                    + " the same order each time, and documents' numbers give it");
                }
                documents = documents
                        .repartition(partitions, functions.col(number))
                        .sortWithinPartitions(functions.col(number));
            }
            SparkHarvest harvest = SparkHarvest.of(parsed, documents, column, number);
            Path out = target.out;
            if (out != null) {
                HarvestIndex index = harvest.resume(resume).into(out);
                System.out.println(String.format(
                        Locale.ROOT,
                        "Wrote %,d tokens of %d points in %d shards to %s",
                        index.tokens(),
                        index.layout().points().size(),
                        index.shards().size(),
                        out));
            } else {
                harvest.activations().write().parquet(target.dataset);
                System.out.println("Wrote activations to " + target.dataset);
            }
        }
        return 0;
    }

    private Dataset<Row> read(SparkSession spark) {
        String name = input.toLowerCase(Locale.ROOT);
        if (name.endsWith(".parquet")) {
            return spark.read().parquet(input);
        }
        if (name.endsWith(".json")
                || name.endsWith(".jsonl")
                || name.endsWith(".json.gz")
                || name.endsWith(".jsonl.gz")) {
            return spark.read().json(input);
        }
        if (name.endsWith(".csv") || name.endsWith(".csv.gz")) {
            return spark.read().option("header", true).option("multiLine", true).csv(input);
        }
        return spark.read().text(input).withColumnRenamed("value", "text");
    }
}
