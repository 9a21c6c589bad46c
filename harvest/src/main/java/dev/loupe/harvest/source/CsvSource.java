package dev.loupe.harvest.source;

import dev.loupe.array.Nearest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.apache.commons.csv.CSVException;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.jspecify.annotations.Nullable;

/** A column of a CSV file (RFC 4180) with a header; a document's number is that of its record, from 0. */
final class CsvSource implements DocumentSource {

    private static final CSVFormat FORMAT =
            CSVFormat.RFC4180.builder().setHeader().setSkipHeaderRecord(true).get();

    private final Path file;
    private final String column;

    CsvSource(Path file, String column) {
        this.file = file;
        this.column = column;
    }

    @Override
    public String name() {
        return file.toString();
    }

    @Override
    public Documents open() throws IOException {
        Sources.requireFile(file);
        long size = Files.size(file);
        InputStream input = Files.newInputStream(file);
        LineReader.Counting bytes = new LineReader.Counting(input);
        CSVParser parser;
        try {
            parser = FORMAT.parse(LineReader.characters(bytes));
        } catch (IOException | IllegalArgumentException e) {
            input.close();
            throw new IOException("Can't read " + file + " as CSV: " + e.getMessage(), e);
        }
        try {
            List<String> names = parser.getHeaderNames();
            if (!names.contains(column)) {
                throw new IOException(file + " has no column '" + column + "'; it has "
                        + (names.size() > 10 ? Nearest.to(column, names, 5) + " and others" : names));
            }
            return new Records(parser, bytes, size);
        } catch (IOException | RuntimeException e) {
            parser.close();
            throw e;
        }
    }

    private final class Records implements Documents {
        private final CSVParser parser;
        private final Iterator<CSVRecord> records;
        private final LineReader.Counting bytes;
        private final long size;

        Records(CSVParser parser, LineReader.Counting bytes, long size) {
            this.parser = parser;
            this.records = parser.iterator();
            this.bytes = bytes;
            this.size = size;
        }

        @Override
        public @Nullable Document next() throws IOException {
            try {
                if (!records.hasNext()) {
                    return null;
                }
                CSVRecord record = records.next();
                long number = record.getRecordNumber();
                if (!record.isSet(column)) {
                    throw new IOException(file + ", record " + number + " has " + record.size()
                            + " fields and none for the column '" + column + "'");
                }
                return Document.text(number - 1, file + ", record " + number, record.get(column));
            } catch (UncheckedIOException | IllegalStateException e) {
                Throwable cause = e.getCause() == null ? e : e.getCause();
                String kind = cause instanceof CSVException ? " is broken" : " can't be read";
                throw new IOException(
                        file + kind + " near line " + parser.getCurrentLineNumber() + ": " + cause.getMessage(), e);
            }
        }

        @Override
        public double fraction() {
            return size == 0 ? 1 : Math.min(1, (double) bytes.count() / size);
        }

        @Override
        public void close() throws IOException {
            parser.close();
        }
    }

    @Override
    public String toString() {
        return name() + ", column " + column;
    }
}
