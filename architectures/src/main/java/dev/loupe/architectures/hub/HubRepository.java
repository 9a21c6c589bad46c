package dev.loupe.architectures.hub;

import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;

/** A repository at one commit. Its files are fetched when they are asked for. */
public final class HubRepository {

    private static final Pattern SEGMENT = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+ -]*");

    private final HubClient client;
    private final Repository repository;
    private final HubCache cache;
    private final String commit;
    private final boolean cacheOnly;

    HubRepository(HubClient client, Repository repository, HubCache cache, String commit, boolean cacheOnly) {
        this.client = client;
        this.repository = repository;
        this.cache = cache;
        this.commit = commit;
        this.cacheOnly = cacheOnly;
    }

    /**
     * A file's place on this machine, fetched if it wasn't there.
     *
     * @param file its name in the repository
     * @return empty if the repository has no such file; or if only the cache may be looked at, and doesn't
     *     have it
     * @throws IllegalArgumentException if the name would lead out of the repository, or the file may not be
     *     read
     * @throws java.io.UncheckedIOException if it can't be fetched
     */
    public Optional<Path> file(String file) {
        for (String segment : file.split("/", -1)) {
            if (!SEGMENT.matcher(segment).matches()) {
                throw new IllegalArgumentException("'" + file + "' is refused as the name of a file of " + repository
                        + ": names are made of letters, digits and '._+-', and may not lead out of the repository");
            }
        }
        Optional<Path> cached = cache.file(commit, file);
        if (cached.isPresent() || cacheOnly || cache.isKnownMissing(commit, file)) {
            return cached;
        }
        return client.fetch(repository, cache, commit, file);
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
