package dev.loupe.architectures.files;

import dev.loupe.architectures.hub.HubRepository;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apiguardian.api.API;

/** A repository on the Hub; asking for a file fetches it. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HubFiles implements ModelFiles {

    private final HubRepository repository;

    /** The files of a repository. */
    public HubFiles(HubRepository repository) {
        this.repository = repository;
    }

    @Override
    public String source() {
        return repository.toString();
    }

    @Override
    public boolean has(String file) {
        return repository.has(file);
    }

    @Override
    public byte[] read(String file) {
        try {
            return Files.readAllBytes(path(file));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + repository + ": " + e, e);
        }
    }

    @Override
    public InputStream stream(String file) {
        try {
            return Files.newInputStream(path(file));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + " of " + source() + ": " + e, e);
        }
    }

    @Override
    public SafetensorsFile openTensors(String file) {
        return SafetensorsFile.open(path(file));
    }

    @Override
    public List<String> list() {
        return repository.list();
    }

    private Path path(String file) {
        return repository
                .file(file)
                .orElseThrow(() -> new IllegalArgumentException(repository + " has no file " + file));
    }
}
