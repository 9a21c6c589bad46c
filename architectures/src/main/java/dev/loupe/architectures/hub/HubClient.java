package dev.loupe.architectures.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.architecture.LoadListener;
import dev.loupe.architectures.hub.Download.Facts;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Flow;
import org.apiguardian.api.API;

/** Opens repositories on the Hub. Safe for use from many threads. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HubClient {

    private static final System.Logger LOG = System.getLogger(HubClient.class.getName());

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int LONGEST_LIST = 1 << 23;

    private final HubSettings settings;
    private final Sleeper sleeper;
    private final LoadListener listener;
    private final HubHttp http;
    private final Download download;

    /** A client with these settings, and somebody who is told of what is fetched and waited for. */
    public HubClient(HubSettings settings, LoadListener listener) {
        this(settings, listener, Sleeper.REAL);
    }

    /** A client that waits between attempts as it is told to. */
    public HubClient(HubSettings settings, LoadListener listener, Sleeper sleeper) {
        this.settings = settings;
        this.listener = listener;
        this.sleeper = sleeper;
        this.http = new HubHttp(settings);
        this.download = new Download(http, settings, listener, sleeper);
    }

    /** What this client was made with. */
    public HubSettings settings() {
        return settings;
    }

    /**
     * Finds out which commit a repository's revision is: from the Hub, or from the cache if the Hub can't be
     * reached or mustn't be asked.
     *
     * @throws IllegalArgumentException if there is no such repository or revision, or it may not be read; or
     *     if the client is offline and the cache doesn't have it; says what to do
     * @throws UncheckedIOException if the Hub can't be reached and the cache doesn't have it
     */
    public HubRepository open(Repository repository) {
        HubCache cache = new HubCache(settings.cache(), repository);
        try {
            Optional<String> cached = cache.commit(repository)
                    .filter(commit -> cache.file(commit, "config.json").isPresent());
            if (settings.offline()) {
                return new HubRepository(
                        this, repository, cache, cached.orElseThrow(() -> notCached(repository, cache)), true);
            }
            if (cached.isPresent() && repository.isCommit()) {
                return new HubRepository(this, repository, cache, cached.get(), false);
            }
            return new HubRepository(this, repository, cache, askForCommit(repository, cached), false);
        } catch (Unreachable e) {
            Optional<String> cached = e.cached();
            if (cached.isEmpty()) {
                throw new UncheckedIOException(
                        "Can't reach " + settings.endpoint() + " to look for " + repository + ": "
                                + Retries.message(e.failure()) + ". It is not in the cache "
                                + settings.cache() + " either. Check the network, or give a local directory.",
                        e.failure());
            }
            LOG.log(
                    System.Logger.Level.WARNING,
                    "Can''t reach {0} ({1}); taking {2} as it is in the cache",
                    settings.endpoint(),
                    Retries.message(e.failure()),
                    repository);
            return new HubRepository(this, repository, cache, cached.get(), true);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't use the cache " + settings.cache() + ": " + e, e);
        }
    }

    private IllegalArgumentException notCached(Repository repository, HubCache cache) {
        return new IllegalArgumentException(repository + " is not in the cache (looked in " + cache.directory()
                + "), and HF_HUB_OFFLINE forbids to ask the Hub. Unset it once to fetch the model, or give a local"
                + " directory.");
    }

    private String askForCommit(Repository repository, Optional<String> cached) throws Unreachable {
        HttpHeaders headers;
        try {
            HttpResponse<?> response = ask(uri(repository, repository.revision(), "config.json"), cached.isEmpty());
            int status = response.statusCode();
            headers = response.headers();
            if ((status == 404 && !isMissingFile(headers)) || status == 401 || status == 403) {
                throw refusal(repository, status, headers, "config.json");
            }
            if (status >= 400 && status != 404) {
                throw new IOException("it answers " + status);
            }
        } catch (IOException e) {
            throw new Unreachable(e, cached);
        }
        return headers.firstValue("X-Repo-Commit")
                .filter(Repository::isCommit)
                .orElseThrow(() -> new IllegalArgumentException(settings.endpoint()
                        + " doesn't answer as a Hub does: it doesn't say which commit " + repository
                        + " is at (header X-Repo-Commit). Check the environment variable HF_ENDPOINT."));
    }

    /**
     * Asks what a file of a commit is.
     *
     * @return empty if the commit has no such file
     */
    Optional<Facts> look(Repository repository, HubCache cache, String commit, String file) {
        URI uri = uri(repository, commit, file);
        try {
            HttpResponse<?> response = ask(uri, true);
            int status = response.statusCode();
            if (status == 404 && (isMissingFile(response.headers()) || !file.equals("config.json"))) {
                cache.rememberMissing(commit, file);
                return Optional.empty();
            }
            if (status == 404 || status == 401 || status == 403) {
                throw refusal(repository, status, response.headers(), file);
            }
            if (status >= 400) {
                throw new IOException(HubHttp.withoutQuery(uri) + " answers " + status);
            }
            return Optional.of(facts(uri, status, response.headers()));
        } catch (IOException e) {
            throw failure(repository, file, e);
        }
    }

    /** Fetches a file of a commit, unless somebody else has done so in the meantime. */
    Path fetch(Repository repository, HubCache cache, String commit, String file, Facts facts) {
        String blob = facts.blob(commit, file);
        try (BlobLock held = BlobLock.acquire(cache.lock(blob))) {
            LOG.log(System.Logger.Level.DEBUG, "Holding {0}", held);
            Optional<Path> meanwhile = cache.file(commit, file);
            if (meanwhile.isPresent()) {
                return meanwhile.get();
            }
            URI uri = uri(repository, commit, file);
            download.fetch(repository.name() + "/" + file, uri, facts, cache.blob(blob));
            Path published = cache.publish(blob, commit, file);
            cache.rememberCommit(repository, commit);
            return published;
        } catch (IOException e) {
            throw failure(repository, file, e);
        }
    }

    /**
     * The names of a commit's files, for messages: none if the Hub doesn't list them, or can't be reached.
     */
    List<String> list(Repository repository, String commit) {
        URI uri = URI.create(settings.endpoint() + "/api/models/" + repository.name() + "/revision/" + commit);
        try {
            HttpResponse<Flow.Publisher<List<ByteBuffer>>> response = http.get(uri, 0);
            List<String> names = new ArrayList<>();
            try (Body body = new Body(response.body(), settings.timeout())) {
                if (response.statusCode() == 200) {
                    MAPPER.readTree(read(body))
                            .path("siblings")
                            .forEach(file -> names.add(file.path("rfilename").asText("")));
                }
            }
            return names;
        } catch (IOException e) {
            LOG.log(System.Logger.Level.DEBUG, "No list of files of " + repository, e);
            return List.of();
        }
    }

    private static byte[] read(Body body) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        List<ByteBuffer> piece = body.next();
        while (piece != null) {
            for (ByteBuffer buffer : piece) {
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                content.writeBytes(bytes);
            }
            if (content.size() > LONGEST_LIST) {
                throw new IOException("The list of files is longer than " + LONGEST_LIST + " bytes");
            }
            piece = body.next();
        }
        return content.toByteArray();
    }

    private UncheckedIOException failure(Repository repository, String file, IOException cause) {
        return new UncheckedIOException(
                "Can't fetch " + file + " of " + repository + " from " + settings.endpoint() + ": "
                        + (cause instanceof FileSystemException
                                ? "the cache " + settings.cache() + " can't be written to (" + cause
                                        + "). Give another with HF_HUB_CACHE."
                                : Retries.message(cause)),
                cause);
    }

    private HttpResponse<?> ask(URI uri, boolean patient) throws IOException {
        Retries retries = new Retries(sleeper, listener);
        while (true) {
            try {
                return http.head(uri);
            } catch (IOException e) {
                // Without a network, trying again makes a person wait for the same answer.
                if (!patient || e instanceof ConnectException || e instanceof HttpConnectTimeoutException) {
                    throw e;
                }
                retries.failed(e);
            }
        }
    }

    private static Facts facts(URI uri, int status, HttpHeaders headers) throws IOException {
        String etag = headers.firstValue("X-Linked-Etag")
                .or(() -> headers.firstValue("ETag"))
                .orElse("")
                .replaceFirst("^W/", "")
                .replace("\"", "");
        if (!etag.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,127}")) {
            throw new IOException(HubHttp.withoutQuery(uri) + " doesn't answer as a Hub does: its ETag '" + etag
                    + "' is no name for a file");
        }
        long linked = headers.firstValueAsLong("X-Linked-Size").orElse(-1);
        // The length of a redirect is not that of the file behind it.
        long length = status == 200 ? headers.firstValueAsLong("Content-Length").orElse(-1) : -1;
        return new Facts(etag, linked >= 0 ? linked : length);
    }

    private static boolean isMissingFile(HttpHeaders headers) {
        return headers.firstValue("X-Error-Code").orElse("").equals("EntryNotFound");
    }

    private IllegalArgumentException refusal(Repository repository, int status, HttpHeaders headers, String file) {
        String page = settings.endpoint() + "/" + repository.name();
        String code = headers.firstValue("X-Error-Code").orElse("");
        String found;
        String remedy;
        if (code.equals("RevisionNotFound")) {
            found = repository.name() + " has no revision '" + repository.revision() + "'.";
            remedy = "See " + page + "/commits/main.";
        } else if (status == 404) {
            found = "There is no model " + repository + " on the Hub: looked for "
                    + HubHttp.withoutQuery(uri(repository, repository.revision(), file)) + ".";
            remedy = "Check the spelling: org/name, as in the address of its page.";
        } else if (settings.token() == null) {
            found = repository + (code.equals("GatedRepo") ? " is gated" : " is gated or private, or doesn't exist")
                    + " (" + status + ").";
            remedy = "If it is gated, accept its conditions at " + page + ", make a token at " + settings.endpoint()
                    + "/settings/tokens, and put it into the environment variable HF_TOKEN.";
        } else {
            found = repository + (code.equals("GatedRepo") ? " is gated" : " is gated or private, or doesn't exist")
                    + " (" + status + "), and the token given doesn't open it.";
            remedy = "Accept its conditions at " + page + " with the account that the token belongs to, and check at "
                    + settings.endpoint() + "/settings/tokens that the token is valid and may read gated models.";
        }
        return new IllegalArgumentException(found + " " + remedy);
    }

    private URI uri(Repository repository, String revision, String file) {
        return URI.create(settings.endpoint() + "/" + repository.name() + "/resolve/"
                + URLEncoder.encode(revision, StandardCharsets.UTF_8) + "/"
                + URLEncoder.encode(file, StandardCharsets.UTF_8)
                        .replace("+", "%20")
                        .replace("%2F", "/"));
    }

    /** The Hub gave no answer; perhaps the cache has one. */
    private static final class Unreachable extends Exception {
        private static final long serialVersionUID = 1L;
        private final IOException failure;
        private final transient Optional<String> cached;

        Unreachable(IOException failure, Optional<String> cached) {
            super(failure);
            this.failure = failure;
            this.cached = cached;
        }

        IOException failure() {
            return failure;
        }

        Optional<String> cached() {
            return cached;
        }
    }
}
