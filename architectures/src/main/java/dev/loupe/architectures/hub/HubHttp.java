package dev.loupe.architectures.hub;

import dev.loupe.architectures.hub.Retries.BusyException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Flow;
import java.util.concurrent.SubmissionPublisher;
import org.jspecify.annotations.Nullable;

/**
 * Requests to the Hub and to where it sends us. Redirects are followed by hand, because the token must not
 * leave the Hub: the files themselves are on other hosts.
 */
final class HubHttp {

    private static final int MAX_REDIRECTS = 10;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final Set<Integer> BUSY = Set.of(408, 429, 500, 502, 503, 504);

    private final HubSettings settings;
    private final HttpClient client;

    HubHttp(HubSettings settings) {
        this.settings = settings;
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(settings.timeout())
                .build();
    }

    /**
     * Asks about a file. Stops at a redirect that tells about the file itself: the headers of the host behind
     * it are about the bytes only.
     *
     * @throws BusyException if it makes sense to ask again
     */
    HttpResponse<Void> head(URI uri) throws IOException {
        return follow("HEAD", uri, null, HttpResponse.BodyHandlers.discarding());
    }

    /**
     * Asks for a file.
     *
     * @param from the first byte wanted
     * @throws BusyException if it makes sense to ask again
     */
    HttpResponse<Flow.Publisher<List<ByteBuffer>>> get(URI uri, long from) throws IOException {
        return follow("GET", uri, from == 0 ? null : "bytes=" + from + "-", HubHttp::bodyOfSuccess);
    }

    /** Only a success has a body that matters; that of anything else is read and forgotten. */
    private static HttpResponse.BodySubscriber<Flow.Publisher<List<ByteBuffer>>> bodyOfSuccess(
            HttpResponse.ResponseInfo response) {
        return response.statusCode() == 200 || response.statusCode() == 206
                ? HttpResponse.BodySubscribers.ofPublisher()
                : HttpResponse.BodySubscribers.mapping(
                        HttpResponse.BodySubscribers.discarding(), nothing -> new SubmissionPublisher<>());
    }

    private <T> HttpResponse<T> follow(
            String method, URI start, @Nullable String range, HttpResponse.BodyHandler<T> handler) throws IOException {
        URI uri = start;
        for (int i = 0; i <= MAX_REDIRECTS; i++) {
            HttpResponse<T> response = send(method, uri, range, handler);
            String location = response.headers().firstValue("Location").orElse(null);
            boolean tellsAboutFile = method.equals("HEAD")
                    && response.headers().firstValue("X-Repo-Commit").isPresent()
                    && response.headers().firstValue("X-Linked-Etag").isPresent();
            if (BUSY.contains(response.statusCode())) {
                throw new BusyException(
                        uri.getHost() + " answers " + response.statusCode() + " to " + method + " " + withoutQuery(uri),
                        retryAfter(response));
            }
            if (!REDIRECTS.contains(response.statusCode()) || location == null || tellsAboutFile) {
                return response;
            }
            uri = target(uri, location);
        }
        throw new IOException("More than " + MAX_REDIRECTS + " redirects from " + withoutQuery(start));
    }

    private static URI target(URI from, String location) throws IOException {
        URI to;
        try {
            to = from.resolve(location);
        } catch (IllegalArgumentException e) {
            // Without the cause: it repeats the address, in which there may be a signature.
            throw new IOException(from.getHost() + " redirects to something that is no address");
        }
        boolean secure = "https".equals(to.getScheme());
        if (to.getHost() == null || (!secure && (!"http".equals(to.getScheme()) || "https".equals(from.getScheme())))) {
            throw new IOException(from.getHost() + " redirects to " + withoutQuery(to)
                    + ", which is refused: it isn't as secure as the address before");
        }
        return to;
    }

    private <T> HttpResponse<T> send(
            String method, URI uri, @Nullable String range, HttpResponse.BodyHandler<T> handler) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .timeout(settings.timeout())
                .header("User-Agent", "loupe")
                // Sizes and hashes are those of the file, not of a compressed form of it.
                .header("Accept-Encoding", "identity");
        if (settings.token() != null && isHub(uri)) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        if (range != null) {
            request.header("Range", range);
        }
        try {
            return client.send(request.build(), handler);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Retries.interrupted(e);
        }
    }

    private boolean isHub(URI uri) {
        URI hub = settings.endpoint();
        return Objects.equals(hub.getScheme(), uri.getScheme())
                && hub.getHost().equalsIgnoreCase(uri.getHost())
                && hub.getPort() == uri.getPort();
    }

    private static @Nullable Duration retryAfter(HttpResponse<?> response) {
        String value = response.headers().firstValue("Retry-After").orElse("").strip();
        try {
            if (value.matches("[0-9]{1,9}")) {
                return Duration.ofSeconds(Long.parseLong(value));
            }
            if (!value.isEmpty()) {
                Instant then = ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME)
                        .toInstant();
                Duration pause = Duration.between(Instant.now(), then);
                return pause.isNegative() ? Duration.ZERO : pause;
            }
        } catch (DateTimeException e) {
            // Neither a number nor a date: as if it weren't there.
            return null;
        }
        return null;
    }

    /**
     * An address for messages: what stands before the host may be a password, and what follows the question mark a
     * signature.
     */
    static String withoutQuery(URI uri) {
        String authority = String.valueOf(uri.getRawAuthority());
        return uri.getScheme() + "://" + authority.substring(authority.lastIndexOf('@') + 1)
                + (uri.getRawPath() == null ? "" : uri.getRawPath());
    }
}
