package dev.loupe.architectures.hub;

import dev.loupe.architectures.hub.Download.Facts;
import dev.loupe.backend.ReferenceCountedCache;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/** A repository at one commit. Its files are fetched when they are asked for. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HubRepository {

    private static final Pattern SEGMENT = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+ -]*");

    private final HubClient client;
    private final Repository repository;
    private final HubCache cache;
    private final String commit;
    private final boolean cacheOnly;
    private final ReferenceCountedCache<String, Optional<Facts>> seen =
            new ReferenceCountedCache<>(Integer.MAX_VALUE, facts -> {});

    HubRepository(HubClient client, Repository repository, HubCache cache, String commit, boolean cacheOnly) {
        this.client = client;
        this.repository = repository;
        this.cache = cache;
        this.commit = commit;
        this.cacheOnly = cacheOnly;
    }

    /**
     * Whether the repository has a file, without fetching it; or, if only the cache may be looked at, whether
     * the cache has it.
     *
     * @throws IllegalArgumentException if the name would lead out of the repository
     * @throws java.io.UncheckedIOException if the Hub doesn't answer
     */
    public boolean has(String file) {
        return cached(file).isPresent() || look(file).isPresent();
    }

    /**
     * A file's place on this machine, fetched if it wasn't there.
     *
     * @param file its name in the repository
     * @return empty if there is no such file, as {@link #has} tells
     * @throws IllegalArgumentException if the name would lead out of the repository, or the file may not be
     *     read
     * @throws java.io.UncheckedIOException if it can't be fetched
     */
    public Optional<Path> file(String file) {
        Optional<Path> cached = cached(file);
        return cached.isPresent()
                ? cached
                : look(file).map(facts -> client.fetch(repository, cache, commit, file, facts));
    }

    private Optional<Path> cached(String file) {
        for (String segment : file.split("/", -1)) {
            if (!SEGMENT.matcher(segment).matches()) {
                throw new IllegalArgumentException("'" + file + "' is refused as the name of a file of " + repository
                        + ": names are made of letters, digits and '._+-', and may not lead out of the repository");
            }
        }
        return cache.file(commit, file);
    }

    /** The names of all files, as far as the Hub tells them; none where only the cache is looked at. */
    public List<String> list() {
        return cacheOnly ? List.of() : client.list(repository, commit);
    }

    /** What the Hub says about a file; asked once, and nobody who asks about another waits for the answer. */
    private Optional<Facts> look(String file) {
        if (cacheOnly || cache.isKnownMissing(commit, file)) {
            return Optional.empty();
        }
        try (ReferenceCountedCache.Lease<Optional<Facts>> facts =
                seen.acquire(file, any -> client.look(repository, cache, commit, any))) {
            return facts.value();
        }
    }

    /** The commit. */
    public String commit() {
        return commit;
    }

    /** Whether only the cache is looked at. */
    public boolean cacheOnly() {
        return cacheOnly;
    }

    /** The repository, and whether it is seen through the cache only. */
    @Override
    public String toString() {
        return cacheOnly
                ? repository + " (as far as it is in the cache " + cache.directory() + ")"
                : repository.toString();
    }
}
