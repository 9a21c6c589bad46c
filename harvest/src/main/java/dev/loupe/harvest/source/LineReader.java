package dev.loupe.harvest.source;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** Lines of a UTF-8 file, gzipped or not. A line that would fill the memory is an error, and so is what isn't UTF-8. */
final class LineReader implements Closeable {

    /** Characters of one line: more is no text, but a file without line breaks. */
    private static final int LONGEST = 1 << 26;

    private final Path file;
    private final long size;
    private final Counting bytes;
    private final Reader reader;
    private final char[] buffer = new char[1 << 16];
    private int from;
    private int to;
    private long line;

    LineReader(Path file) throws IOException {
        Sources.requireFile(file);
        this.file = file;
        this.size = Files.size(file);
        this.bytes = new Counting(Files.newInputStream(file));
        this.reader = characters(bytes);
    }

    /** Text of a file, decompressed if it is gzipped. */
    static Reader characters(InputStream bytes) throws IOException {
        try {
            BufferedInputStream buffered = new BufferedInputStream(bytes, 1 << 16);
            buffered.mark(2);
            boolean zipped = buffered.read() == 0x1f && buffered.read() == 0x8b;
            buffered.reset();
            InputStream plain = zipped ? new GZIPInputStream(buffered, 1 << 16) : buffered;
            return new InputStreamReader(
                    plain,
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .onMalformedInput(CodingErrorAction.REPORT)
                            .onUnmappableCharacter(CodingErrorAction.REPORT));
        } catch (IOException e) {
            bytes.close();
            throw e;
        }
    }

    /** The number of the line that was read last, from 1. */
    long line() {
        return line;
    }

    double fraction() {
        return size == 0 ? 1 : Math.min(1, (double) bytes.count / size);
    }

    /** The next line without its end; null at the end of the file. */
    @Nullable
    String next() throws IOException {
        StringBuilder text = null;
        while (true) {
            if (from == to && !fill()) {
                return text == null ? null : finished(text);
            }
            text = text == null ? new StringBuilder() : text;
            int end = from;
            while (end < to && buffer[end] != '\n') {
                end++;
            }
            if (text.length() + (end - from) > LONGEST) {
                throw new IOException(file + ", line " + (line + 1) + " is longer than " + LONGEST
                        + " characters; is it a text file with one document a line?");
            }
            text.append(buffer, from, end - from);
            from = Math.min(to, end + 1);
            if (end < to) {
                return finished(text);
            }
        }
    }

    private String finished(StringBuilder text) {
        line++;
        if (!text.isEmpty() && text.charAt(text.length() - 1) == '\r') {
            text.setLength(text.length() - 1);
        }
        if (line == 1 && !text.isEmpty() && text.charAt(0) == '\uFEFF') {
            text.deleteCharAt(0);
        }
        return text.toString();
    }

    private boolean fill() throws IOException {
        try {
            from = 0;
            to = Math.max(0, reader.read(buffer));
            return to > 0;
        } catch (CharacterCodingException e) {
            throw new IOException(
                    file + " isn't UTF-8 text, near line " + (line + 1) + "; convert it to UTF-8 first", e);
        } catch (IOException e) {
            throw new IOException("Can't read " + file + " after line " + line + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }

    /** Counts bytes as they are read. */
    static final class Counting extends FilterInputStream {
        private long count;

        Counting(InputStream in) {
            super(in);
        }

        long count() {
            return count;
        }

        @Override
        public int read() throws IOException {
            int one = super.read();
            count += one < 0 ? 0 : 1;
            return one;
        }

        @Override
        public int read(byte[] target, int at, int length) throws IOException {
            int some = super.read(target, at, length);
            count += Math.max(0, some);
            return some;
        }
    }
}
