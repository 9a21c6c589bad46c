package dev.loupe.conformance.kit;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * The rules that a backend or architecture is known to break, each with a reason. They come from a file that ships
 * with it: {@code META-INF/loupe/deviations/<id>.txt}. Each line is a rule or a test below it, blanks, and the reason or an
 * address that gives it; {@code #} starts a comment line.
 *
 * <pre>
 * 3.6/matmul/float16  https://example.org/acme/issues/7: accumulates in float16
 * </pre>
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Deviations {

    private final List<Entry> entries;
    private final Set<String> matched = new LinkedHashSet<>();

    /**
     * A known deviation.
     *
     * @param path a rule, or a test below it
     * @param reason why
     * @param where file and line, for messages
     */
    public record Entry(String path, String reason, String where) {}

    private Deviations(List<Entry> entries) {
        this.entries = entries;
    }

    /** None. */
    public static Deviations none() {
        return new Deviations(List.of());
    }

    /** The file's resource name for an id. */
    public static String resource(String id) {
        return "META-INF/loupe/deviations/" + id + ".txt";
    }

    /** Reads the file that belongs to an id; there may be none. */
    public static Deviations load(String id, ClassLoader loader) {
        URL url = loader.getResource(resource(id));
        if (url == null) {
            return none();
        }
        try (InputStream in = url.openStream()) {
            return parse(new String(in.readAllBytes(), StandardCharsets.UTF_8), resource(id));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read the deviations in " + url, e);
        }
    }

    /**
     * Reads the lines of a file.
     *
     * @throws IllegalArgumentException if a line has no reason
     */
    public static Deviations parse(String text, String file) {
        List<Entry> entries = new ArrayList<>();
        List<String> lines = text.lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            String[] parts = line.split("\\s+", 2);
            String where = file + ":" + (i + 1);
            if (parts.length < 2) {
                throw new IllegalArgumentException(where + ": '" + line
                        + "' names a deviation without a reason; write the reason or an address after the rule");
            }
            entries.add(new Entry(parts[0], parts[1], where));
        }
        return new Deviations(entries);
    }

    /** The entry that covers a test, if there is one; the test counts as matched. */
    synchronized Optional<Entry> covering(String test) {
        Optional<Entry> found = entries.stream()
                .filter(entry -> TestSelection.under(test, entry.path()))
                .findFirst();
        found.ifPresent(entry -> matched.add(entry.path()));
        return found;
    }

    /** Every entry, in the order of the file. */
    List<Entry> entries() {
        return entries;
    }

    /** Whether a test that ran was covered by this entry. */
    synchronized boolean wasMatched(Entry entry) {
        return matched.contains(entry.path());
    }
}
