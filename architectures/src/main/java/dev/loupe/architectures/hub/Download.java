package dev.loupe.architectures.hub;

import dev.loupe.architecture.LoadListener;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Fetches one file into the cache. What has come so far lies in {@code ETAG.incomplete} and is continued, in
 * this process or a later one; the blob appears under its name only when size and hash are right.
 */
final class Download {

    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes ([0-9]+)-.*");

    private final HubHttp http;
    private final HubSettings settings;
    private final LoadListener listener;
    private final Sleeper sleeper;

    Download(HubHttp http, HubSettings settings, LoadListener listener, Sleeper sleeper) {
        this.http = http;
        this.settings = settings;
        this.listener = listener;
        this.sleeper = sleeper;
    }

    /**
     * What the Hub says about a file.
     *
     * @param etag the SHA-256 of a large file, the git hash of a small one
     * @param size in bytes; −1 if the Hub doesn't say
     */
    record Facts(String etag, long size) {

        private static final Pattern HASH = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

        /**
         * The name of the blob that keeps the file. A hash names its content, whichever file has it, and is verified;
         * any other ETag belongs to one address only, and two files may have the same.
         */
        String blob(String commit, String file) {
            if (HASH.matcher(etag).matches()) {
                return etag;
            }
            byte[] address = (commit + "/" + file).getBytes(StandardCharsets.UTF_8);
            return etag + "-" + HexFormat.of().formatHex(digest("SHA-256").digest(address));
        }
    }

    /** Fetches a file, unless the blob is there already. The caller holds the blob's lock. */
    void fetch(String label, URI uri, Facts facts, Path blob) throws IOException {
        if (Files.exists(blob)) {
            return;
        }
        Files.createDirectories(blob.resolveSibling(""));
        Path incomplete = blob.resolveSibling(blob.getFileName() + ".incomplete");
        String problem = "";
        // What an earlier process left may be the wrong half of a file: a second try begins from nothing.
        for (int round = 0; round < 2; round++) {
            transfer(label, uri, facts, incomplete);
            problem = verify(incomplete, facts);
            if (problem.isEmpty()) {
                HubCache.move(incomplete, blob);
                return;
            }
            Files.delete(incomplete);
        }
        throw new IOException(HubHttp.withoutQuery(uri) + " was fetched twice, and both times " + problem
                + ". Nothing was kept. Is there something between this machine and the Hub that changes files?");
    }

    private void transfer(String label, URI uri, Facts facts, Path incomplete) throws IOException {
        Retries retries = new Retries(sleeper, listener);
        long best = size(incomplete);
        LoadListener.Task task = new LoadListener.Task(LoadListener.Kind.DOWNLOAD, label, facts.size());
        listener.begun(task);
        try {
            while (true) {
                if (facts.size() >= 0 && size(incomplete) > facts.size()) {
                    Files.delete(incomplete);
                }
                try {
                    attempt(uri, facts, incomplete, task);
                    return;
                } catch (LocalException e) {
                    throw e.failure();
                } catch (RefusedException e) {
                    throw e;
                } catch (IOException e) {
                    if (size(incomplete) > best) {
                        best = size(incomplete);
                        retries.progressed();
                    }
                    retries.failed(e);
                }
            }
        } finally {
            listener.ended(task);
        }
    }

    /** One request. Returns when everything is there, throws when something is missing. */
    private void attempt(URI uri, Facts facts, Path incomplete, LoadListener.Task task) throws IOException {
        long have = size(incomplete);
        if (have == facts.size() && have > 0) {
            return;
        }
        HttpResponse<Flow.Publisher<List<ByteBuffer>>> response = http.get(uri, have);
        int status = response.statusCode();
        if (status == 416) {
            Files.deleteIfExists(incomplete);
            throw new IOException(HubHttp.withoutQuery(uri) + " can't be continued at byte " + have);
        }
        if (status != 200 && status != 206) {
            throw new RefusedException(HubHttp.withoutQuery(uri) + " answers " + status);
        }
        try (Body body = new Body(response.body(), settings.timeout())) {
            if (status == 200) {
                // From the start: asked for, or because the host can't continue.
                have = 0;
            } else if (rangeStart(response) != have) {
                throw new RefusedException(HubHttp.withoutQuery(uri) + " was asked to continue at byte " + have
                        + " and answers with bytes "
                        + response.headers().firstValue("Content-Range").orElse("of no range"));
            }
            listener.progress(task, have);
            long length = response.headers().firstValueAsLong("Content-Length").orElse(-1);
            long expected = facts.size() >= 0 ? facts.size() : length < 0 ? -1 : have + length;
            receive(body, incomplete, have, expected, task);
        }
    }

    private static long rangeStart(HttpResponse<?> response) {
        Matcher range = CONTENT_RANGE.matcher(
                response.headers().firstValue("Content-Range").orElse(""));
        return range.matches() ? Long.parseLong(range.group(1)) : -1;
    }

    private void receive(Body body, Path incomplete, long from, long expected, LoadListener.Task task)
            throws IOException {
        long written = from;
        try (FileChannel file = open(incomplete, from)) {
            for (List<ByteBuffer> piece = body.next(); piece != null; piece = body.next()) {
                for (ByteBuffer buffer : piece) {
                    int bytes = buffer.remaining();
                    write(file, buffer);
                    written += bytes;
                    listener.progress(task, written);
                }
                if (expected >= 0 && written > expected) {
                    break;
                }
            }
            force(file);
        }
        if (expected >= 0 && written < expected) {
            throw new IOException("The connection ended after " + written + " of " + expected + " bytes");
        }
    }

    private static FileChannel open(Path incomplete, long from) throws LocalException {
        try {
            FileChannel file = FileChannel.open(incomplete, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            file.truncate(from);
            file.position(from);
            return file;
        } catch (IOException e) {
            throw new LocalException(e);
        }
    }

    private static void write(FileChannel file, ByteBuffer buffer) throws LocalException {
        try {
            while (buffer.hasRemaining()) {
                file.write(buffer);
            }
        } catch (IOException e) {
            throw new LocalException(e);
        }
    }

    private static void force(FileChannel file) throws LocalException {
        try {
            file.force(true);
        } catch (IOException e) {
            throw new LocalException(e);
        }
    }

    /** What is wrong with a file, or nothing. */
    private static String verify(Path file, Facts facts) throws IOException {
        long size = size(file);
        if (facts.size() >= 0 && size != facts.size()) {
            return "it had " + size + " bytes where the Hub says " + facts.size();
        }
        String found;
        if (facts.etag().matches("[0-9a-f]{64}")) {
            found = hash("SHA-256", file, new byte[0]);
        } else if (facts.etag().matches("[0-9a-f]{40}")) {
            found = hash("SHA-1", file, ("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
        } else {
            return "";
        }
        return found.equals(facts.etag()) ? "" : "its hash was " + found + " where the Hub says " + facts.etag();
    }

    private static String hash(String algorithm, Path file, byte[] prefix) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            MessageDigest digest = digest(algorithm);
            digest.update(prefix);
            byte[] buffer = new byte[1 << 16];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
            return HexFormat.of().formatHex(digest.digest());
        }
    }

    private static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every Java platform has " + algorithm, e);
        }
    }

    private static long size(Path file) throws IOException {
        return Files.exists(file) ? Files.size(file) : 0;
    }

    /** Trouble on this machine, such as a full disk, which trying again won't mend. */
    private static final class LocalException extends IOException {
        private static final long serialVersionUID = 1L;

        private final IOException failure;

        LocalException(IOException failure) {
            super(failure);
            this.failure = failure;
        }

        IOException failure() {
            return failure;
        }
    }

    /** The host answers, but not with the file. */
    private static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedException(String message) {
            super(message);
        }
    }
}
