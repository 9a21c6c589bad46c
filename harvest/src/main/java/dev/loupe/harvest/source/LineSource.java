package dev.loupe.harvest.source;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A file with one document a line; a document's number is that of its line, from 0. */
final class LineSource implements DocumentSource {

    /** Makes a document of a line. */
    @FunctionalInterface
    interface LineParser {
        Document parse(long id, String place, String line) throws IOException;
    }

    private final Path file;
    private final LineParser parser;

    LineSource(Path file, LineParser parser) {
        this.file = file;
        this.parser = parser;
    }

    @Override
    public String name() {
        return file.toString();
    }

    @Override
    public String fingerprint() throws IOException {
        return Fingerprint.of(file);
    }

    @Override
    public Documents open(long first) throws IOException {
        LineReader lines = new LineReader(file);
        try {
            for (long i = 0; i < first; i++) {
                if (lines.next() == null) {
                    throw new IOException(
                            file + " has only " + i + " lines; it should go on after " + first + ". Was it changed?");
                }
            }
        } catch (IOException | RuntimeException e) {
            lines.close();
            throw e;
        }
        return new Documents() {
            @Override
            public @Nullable Document next() throws IOException {
                String line = lines.next();
                return line == null ? null : parser.parse(lines.line() - 1, file + ", line " + lines.line(), line);
            }

            @Override
            public double fraction() {
                return lines.fraction();
            }

            @Override
            public void close() throws IOException {
                lines.close();
            }
        };
    }

    @Override
    public String toString() {
        return name();
    }
}
