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
    public Documents open() throws IOException {
        LineReader lines = new LineReader(file);
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
