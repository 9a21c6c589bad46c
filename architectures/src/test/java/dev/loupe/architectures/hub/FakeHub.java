package dev.loupe.architectures.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Plays the Hugging Face Hub on the loopback interface, as its clients see it: files under {@code
 * /org/name/resolve/revision/file} with the Hub's headers; large ones lie on another host, to which requests are
 * redirected. Faults can be ordered, each for one request.
 */
public final class FakeHub implements AutoCloseable {

    /** The commit that every repository here is at. */
    public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /** What was asked. */
    public record Request(
            String host,
            String method,
            String path,
            @Nullable String token,
            @Nullable String range) {}

    /** Answers a request in the server's place. */
    @FunctionalInterface
    public interface Fault {
        void answer(HttpExchange exchange, byte[] content) throws IOException;
    }

    private static final class Stored {
        private final byte[] content;
        private final boolean large;

        Stored(byte[] content, boolean large) {
            this.content = content;
            this.large = large;
        }
    }

    private final HttpServer hub;
    private final HttpServer store;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Map<String, Stored> files = new ConcurrentHashMap<>();
    private final Map<String, Queue<Fault>> faults = new ConcurrentHashMap<>();
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private final Map<String, String> renamed = new ConcurrentHashMap<>();
    private volatile String requiredToken = "";
    private volatile boolean gated = true;

    /** Starts it, without any files. */
    public FakeHub() {
        try {
            hub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            store = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        hub.createContext("/", exchange -> handle("hub", exchange, this::answerAsHub));
        store.createContext("/", exchange -> handle("store", exchange, this::answerAsStore));
        for (HttpServer server : List.of(hub, store)) {
            server.setExecutor(threads);
            server.start();
        }
    }

    /** The Hub's address. */
    public String endpoint() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    /** The address of the host that holds large files: another name for the same machine. */
    public String storeAddress() {
        return "http://localhost:" + store.getAddress().getPort();
    }

    /** An environment in which this is the Hub, with a cache of its own. */
    public Map<String, String> environment(Path home) {
        Map<String, String> environment = new HashMap<>();
        environment.put("HF_ENDPOINT", endpoint());
        environment.put("HF_HOME", home.toString());
        return environment;
    }

    /** Adds a small file, which the Hub answers itself. */
    public FakeHub file(String repository, String file, byte[] content) {
        files.put(repository + "/" + file, new Stored(content, false));
        return this;
    }

    /** Adds a small file of text. */
    public FakeHub file(String repository, String file, String content) {
        return file(repository, file, content.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds a large file, which lies on another host. */
    public FakeHub largeFile(String repository, String file, byte[] content) {
        files.put(repository + "/" + file, new Stored(content, true));
        return this;
    }

    /** Answers only those who bring this token. */
    public FakeHub requireToken(String token) {
        requiredToken = token;
        return this;
    }

    /** Doesn't say why it refuses, as the Hub does for private models. */
    public FakeHub sayNothingOfGates() {
        gated = false;
        return this;
    }

    /**
     * Orders faults for the next requests of some kind, in turn.
     *
     * @param kind {@code "HEAD config.json"}: the method and the file's name
     */
    public FakeHub fault(String kind, Fault... ordered) {
        faults.computeIfAbsent(kind, any -> new ArrayDeque<>()).addAll(Arrays.asList(ordered));
        return this;
    }

    /** Answers for a repository by sending those who ask on to another, as the Hub does after a renaming. */
    public FakeHub rename(String from, String to) {
        renamed.put(from, to);
        return this;
    }

    /** Says no with a status. */
    public static Fault status(int status, String... headers) {
        return (exchange, content) -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
        };
    }

    /** Breaks off after so many bytes of what was asked for. */
    public static Fault cutAfter(int bytes) {
        return (exchange, content) -> sendFrom(exchange, content, bytes);
    }

    /** Everything asked so far. */
    public List<Request> requests() {
        return List.copyOf(requests);
    }

    /** The requests of one kind: {@code "GET model.safetensors"}. */
    public List<Request> requests(String kind) {
        return requests.stream()
                .filter(request -> kind.equals(request.method() + " " + name(request.path())))
                .toList();
    }

    private static String name(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    private void handle(String host, HttpExchange exchange, Fault otherwise) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            requests.add(new Request(
                    host,
                    exchange.getRequestMethod(),
                    path,
                    exchange.getRequestHeaders().getFirst("Authorization"),
                    exchange.getRequestHeaders().getFirst("Range")));
            Stored stored = files.get(path.substring(1).replaceFirst("/resolve/[^/]+/", "/"));
            byte[] content = stored == null ? new byte[0] : stored.content;
            Fault fault = null;
            if (stored == null
                    || !stored.large
                    || host.equals("store")
                    || exchange.getRequestMethod().equals("HEAD")) {
                Queue<Fault> ordered = faults.get(exchange.getRequestMethod() + " " + name(path));
                fault = ordered == null ? null : ordered.poll();
            }
            (fault == null ? otherwise : fault).answer(exchange, content);
        }
    }

    private void list(HttpExchange exchange, String repository) throws IOException {
        String siblings = files.keySet().stream()
                .filter(file -> file.startsWith(repository))
                .map(file -> "{\"rfilename\": \"" + file.substring(repository.length()) + "\"}")
                .sorted()
                .collect(Collectors.joining(", "));
        byte[] answer = ("{\"siblings\": [" + siblings + "]}").getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, answer.length);
        exchange.getResponseBody().write(answer);
    }

    private void answerAsHub(HttpExchange exchange, byte[] content) throws IOException {
        String path = exchange.getRequestURI().getPath();
        if (path.startsWith("/api/models/")) {
            list(exchange, path.substring("/api/models/".length()).replaceFirst("/revision/.*", "/"));
            return;
        }
        String[] parts = path.substring(1).split("/resolve/", 2);
        String revision = parts.length < 2 ? "" : parts[1].split("/", 2)[0];
        Stored stored = files.get(path.substring(1).replaceFirst("/resolve/[^/]+/", "/"));
        String newName = renamed.get(parts[0]);
        if (newName != null) {
            exchange.getResponseHeaders().set("Location", path.replace(parts[0], newName));
            exchange.sendResponseHeaders(307, -1);
        } else if (!requiredToken.isEmpty()
                && !("Bearer " + requiredToken)
                        .equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
            refuse(
                    exchange,
                    exchange.getRequestHeaders().containsKey("Authorization") ? 403 : 401,
                    gated ? "GatedRepo" : "");
        } else if (files.keySet().stream().noneMatch(file -> file.startsWith(parts[0] + "/"))) {
            refuse(exchange, 404, "RepoNotFound");
        } else if (!revision.equals("main") && !revision.equals(COMMIT)) {
            refuse(exchange, 404, "RevisionNotFound");
        } else if (stored == null) {
            exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
            refuse(exchange, 404, "EntryNotFound");
        } else if (stored.large) {
            exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + sha256(content) + "\"");
            exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(content.length));
            exchange.getResponseHeaders().set("Location", storeAddress() + path + "?signature=secret");
            exchange.sendResponseHeaders(302, -1);
        } else {
            exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
            exchange.getResponseHeaders().set("ETag", "\"" + gitHash(content) + "\"");
            sendFrom(exchange, content, Integer.MAX_VALUE);
        }
    }

    private void answerAsStore(HttpExchange exchange, byte[] content) throws IOException {
        sendFrom(exchange, content, Integer.MAX_VALUE);
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        if (!code.isEmpty()) {
            exchange.getResponseHeaders().set("X-Error-Code", code);
        }
        exchange.sendResponseHeaders(status, -1);
    }

    /** Sends a file, or the rest of it from where the client asks, and breaks off after so many bytes. */
    private static void sendFrom(HttpExchange exchange, byte[] content, int most) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null ? 0 : Integer.parseInt(range.replaceAll("[^0-9]", ""));
        if (range != null && from >= content.length) {
            exchange.sendResponseHeaders(416, -1);
            return;
        }
        if (range != null) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        int rest = content.length - from;
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(rest));
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        exchange.sendResponseHeaders(range == null ? 200 : 206, rest == 0 ? -1 : rest);
        OutputStream out = exchange.getResponseBody();
        out.write(content, from, Math.min(most, rest));
        out.flush();
    }

    /** The name of a large file's blob. */
    public static String sha256(byte[] content) {
        return hash("SHA-256", content);
    }

    /** The name of a small file's blob: {@code git hash-object}. */
    public static String gitHash(byte[] content) {
        byte[] prefix = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(prefix, prefix.length + content.length);
        System.arraycopy(content, 0, all, prefix.length, content.length);
        return hash("SHA-1", all);
    }

    private static String hash(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        store.stop(0);
        threads.shutdownNow();
    }
}
