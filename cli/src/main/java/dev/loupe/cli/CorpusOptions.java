package dev.loupe.cli;

import dev.loupe.harvest.job.Packing;
import dev.loupe.harvest.job.Packing.Kind;
import dev.loupe.harvest.job.Packing.TooLong;
import dev.loupe.harvest.parquet.ParquetFiles;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.harvest.source.Sources;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** A data set, and how its documents become rows. */
final class CorpusOptions {

    @ArgGroup(exclusive = true, multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    Input input;

    /** One of the two. */
    static final class Input {
        @Option(
                names = "--text",
                paramLabel = "FILE",
                description = "Texts: one a line, or FILE.jsonl, FILE.csv or FILE.parquet with --column.")
        @Nullable
        Path text;

        @Option(
                names = "--tokens-file",
                paramLabel = "FILE",
                description = "Token ids, one row a line, used as they are.")
        @Nullable
        Path tokens;
    }

    @Option(
            names = "--column",
            defaultValue = "text",
            paramLabel = "NAME",
            description =
                    "The field of JSON lines, or the column of CSV or Parquet, with the text or the token ids. Default: ${DEFAULT-VALUE}.")
    String column = "text";

    @Option(
            names = "--pack",
            paramLabel = "HOW",
            description = "documents: each is a row; concatenate: joined by EOS and cut into rows of one length."
                    + " Default: documents.")
    String pack = "documents";

    @Option(
            names = "--max-length",
            paramLabel = "N",
            description = "Tokens of a row: longer documents are cut off, joined ones cut up. Unless given, rows are as"
                    + " long as the model's context, and a longer document is an error.")
    @Nullable
    Integer maxLength;

    @Option(
            names = "--prepend-bos",
            arity = "0..1",
            fallbackValue = "true",
            paramLabel = "true|false",
            description = "Whether texts and joined rows get BOS in front; the model's habit unless given.")
    @Nullable
    Boolean prependBos;

    DocumentSource source() {
        Path tokens = input.tokens;
        if (tokens != null) {
            return Sources.tokens(tokens);
        }
        Path text = input.text;
        if (text == null) {
            throw new IllegalStateException("One of --text and --tokens-file is given");
        }
        String name = text.toString().toLowerCase(Locale.ROOT);
        String bare = name.endsWith(".gz") ? name.substring(0, name.length() - ".gz".length()) : name;
        if (bare.endsWith(".jsonl") || bare.endsWith(".ndjson")) {
            return Sources.jsonLines(text, column);
        }
        if (name.endsWith(".parquet")) {
            return ParquetFiles.column(text, column);
        }
        return bare.endsWith(".csv") ? Sources.csv(text, column) : Sources.lines(text);
    }

    Packing packing() {
        int length = maxLength == null ? 0 : maxLength;
        if (maxLength != null && maxLength < 1) {
            throw new UsageException("--max-length must be 1 or more, got " + maxLength);
        }
        return switch (pack) {
            case "documents" ->
                new Packing(Kind.DOCUMENTS, length, prependBos, maxLength == null ? TooLong.REFUSE : TooLong.TRUNCATE);
            case "concatenate" -> new Packing(Kind.CONCATENATE, length, prependBos, TooLong.TRUNCATE);
            default -> throw new UsageException("--pack is documents or concatenate, found '" + pack + "'");
        };
    }
}
