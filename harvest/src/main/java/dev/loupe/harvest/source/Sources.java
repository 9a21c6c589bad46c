package dev.loupe.harvest.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.loupe.array.Nearest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** The data sets that Loupe reads itself. Files may be gzipped; texts are UTF-8. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Sources {

    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private Sources() {}

    /** One document a line. */
    public static DocumentSource lines(Path file) {
        return new LineSource(file, Document::text);
    }

    /** One row of token ids a line, with spaces or commas between them. */
    public static DocumentSource tokens(Path file) {
        return new LineSource(file, (id, place, line) -> Document.tokens(id, place, ids(place, line)));
    }

    /**
     * One JSON object a line.
     *
     * @param field the field with the document: a text, or an array of token ids
     */
    public static DocumentSource jsonLines(Path file, String field) {
        return new LineSource(file, (id, place, line) -> json(id, place, line, field));
    }

    /** A column of a CSV file (RFC 4180) whose first record names the columns. */
    public static DocumentSource csv(Path file, String column) {
        return new CsvSource(file, column);
    }

    /** Texts at hand. */
    public static DocumentSource texts(List<String> texts) {
        List<Document> documents = new ArrayList<>();
        for (String text : texts) {
            documents.add(Document.text(documents.size(), "text " + documents.size(), text));
        }
        return of("texts", documents);
    }

    /**
     * Documents from anywhere.
     *
     * @param name what to call them in messages
     * @param documents give the same documents in the same order each time they are asked
     */
    public static DocumentSource of(String name, Iterable<Document> documents) {
        return new DocumentSource() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public Documents open() {
                Iterator<Document> rest = documents.iterator();
                return new Documents() {
                    @Override
                    public @Nullable Document next() {
                        return rest.hasNext() ? rest.next() : null;
                    }

                    @Override
                    public void close() {}
                };
            }
        };
    }

    static void requireFile(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new IOException("There is no file " + file);
        }
        if (!Files.isRegularFile(file)) {
            throw new IOException(
                    file + " isn't a regular file; a harvest reads it again to go on, so a pipe or a folder"
                            + " won't do. Write it to a file first");
        }
    }

    private static long[] ids(String place, String line) throws IOException {
        String[] parts = line.isBlank() ? new String[0] : line.strip().split("\\s*,\\s*|\\s+", -1);
        long[] ids = new long[parts.length];
        for (int i = 0; i < ids.length; i++) {
            try {
                ids[i] = Long.parseLong(parts[i]);
            } catch (NumberFormatException e) {
                throw new IOException(
                        place + " should be token ids with spaces or commas between them; '"
                                + parts[i].substring(0, Math.min(40, parts[i].length())) + "' is no whole number",
                        e);
            }
        }
        return ids;
    }

    private static Document json(long id, String place, String line, String field) throws IOException {
        if (line.isBlank()) {
            return Document.tokens(id, place);
        }
        JsonNode object;
        try {
            object = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new IOException(place + " is no JSON: " + e.getOriginalMessage(), e);
        }
        JsonNode value = object.isObject() ? object.path(field) : MissingNode.getInstance();
        if (value.isTextual()) {
            return Document.text(id, place, value.textValue());
        }
        if (value.isArray()) {
            long[] ids = new long[value.size()];
            for (int i = 0; i < ids.length; i++) {
                if (!value.get(i).isIntegralNumber() || !value.get(i).canConvertToLong()) {
                    throw new IOException(
                            place + ": '" + field + "' should be a text or token ids, found " + value.get(i));
                }
                ids[i] = value.get(i).longValue();
            }
            return Document.tokens(id, place, ids);
        }
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        throw new IOException(place
                + (object.isObject()
                        ? value.isMissingNode()
                                ? " has no field '" + field + "'; it has "
                                        + (names.size() > 10 ? Nearest.to(field, names, 5) : names)
                                : ": '" + field + "' should be a text or an array of token ids"
                        : " should be a JSON object"));
    }
}
