package dev.loupe.architectures.hub;

import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.UUID;

/**
 * One model's directory in the cache, in the layout of {@code huggingface_hub}: {@code refs/main} holds the
 * commit that the branch was last seen at, {@code snapshots/COMMIT/FILE} is a link to {@code blobs/ETAG}, and
 * {@code .no_exist/COMMIT/FILE} remembers that a commit has no such file.
 */
final class HubCache {

    private static final System.Logger LOG = System.getLogger(HubCache.class.getName());

    /** Makes a link. */
    interface Links {
        void create(Path link, Path target) throws IOException;
    }

    private final Path cache;
    private final String folder;
    private final Links links;

    HubCache(Path cache, Repository repository) {
        this(cache, repository, Files::createSymbolicLink);
    }

    HubCache(Path cache, Repository repository, Links links) {
        this.links = links;
        this.cache = cache;
        this.folder = "models--" + repository.name().replace("/", "--");
    }

    Path directory() {
        return cache.resolve(folder);
    }

    Path blob(String etag) {
        return directory().resolve("blobs").resolve(etag);
    }

    Path lock(String etag) {
        return cache.resolve(".locks").resolve(folder).resolve(etag + ".lock");
    }

    Path snapshot(String commit) {
        return directory().resolve("snapshots").resolve(commit);
    }

    /** The commit that a revision was last seen at. */
    Optional<String> commit(Repository repository) throws IOException {
        if (repository.isCommit()) {
            return Optional.of(repository.revision());
        }
        Path ref = directory().resolve("refs").resolve(repository.revision());
        if (!Files.isRegularFile(ref)) {
            return Optional.empty();
        }
        String commit = Files.readString(ref).strip();
        return Repository.isCommit(commit) ? Optional.of(commit) : Optional.empty();
    }

    void rememberCommit(Repository repository, String commit) throws IOException {
        if (!repository.isCommit() && !commit(repository).equals(Optional.of(commit))) {
            Path ref = directory().resolve("refs").resolve(repository.revision());
            Files.createDirectories(ref.resolveSibling(""));
            OutputFile.writeString(ref, commit);
        }
    }

    /** A file of a commit, if it is here. */
    Optional<Path> file(String commit, String file) {
        Path path = snapshot(commit).resolve(file);
        return Files.isRegularFile(path) ? Optional.of(path) : Optional.empty();
    }

    boolean isKnownMissing(String commit, String file) {
        return Files.exists(absence(commit, file));
    }

    /** Saves the next process a question. A cache that can't be written to, such as a shared one, does without. */
    void rememberMissing(String commit, String file) {
        Path marker = absence(commit, file);
        try {
            Files.createDirectories(marker.resolveSibling(""));
            Files.createFile(marker);
        } catch (IOException e) {
            // Or another process remembered it first.
            if (!Files.exists(marker)) {
                LOG.log(
                        System.Logger.Level.DEBUG,
                        "Can''t remember in the cache that there is no {0} ({1}); it will be asked for again",
                        file,
                        e);
            }
        }
    }

    private Path absence(String commit, String file) {
        return directory().resolve(".no_exist").resolve(commit).resolve(file);
    }

    /**
     * Makes a blob a file of a snapshot: by a relative link, so that the cache can be moved; where links aren't
     * allowed, by moving the blob there, as {@code huggingface_hub} does.
     */
    Path publish(String etag, String commit, String file) throws IOException {
        Path place = snapshot(commit).resolve(file);
        Path parent = place.resolveSibling("");
        Files.createDirectories(parent);
        Path temporary = parent.resolve("." + UUID.randomUUID() + ".tmp");
        try {
            links.create(temporary, parent.relativize(blob(etag)));
        } catch (UnsupportedOperationException | IOException e) {
            if (!Files.exists(blob(etag))) {
                throw e instanceof IOException io ? io : new IOException(e);
            }
            move(blob(etag), place);
            return place;
        }
        move(temporary, place);
        return place;
    }

    static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
