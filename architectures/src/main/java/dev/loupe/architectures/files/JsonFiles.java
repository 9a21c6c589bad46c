package dev.loupe.architectures.files;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.CheckpointConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.apiguardian.api.API;

/** Reads the JSON files of checkpoints. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class JsonFiles {

    /** What a pointer begins with that Git LFS leaves in place of a file. */
    private static final String LFS = "version https://git-lfs";

    private JsonFiles() {}

    /**
     * Reads a file that holds one JSON object.
     *
     * @throws IllegalArgumentException if there is no such file or it is no JSON object; says where it breaks
     */
    public static ObjectNode tree(ModelFiles files, String file) {
        String where = files.source() + "/" + file;
        try {
            byte[] content = files.read(file);
            if (new String(content, 0, Math.min(content.length, LFS.length()), StandardCharsets.US_ASCII).equals(LFS)) {
                throw new IllegalArgumentException(where + " is a Git LFS pointer, not the file itself."
                        + " Run 'git lfs pull' where the checkpoint was cloned.");
            }
            JsonNode node = JsonTrees.read(content);
            if (node instanceof ObjectNode object) {
                return object;
            }
            throw new IllegalArgumentException(where + " should hold a JSON object, found "
                    + node.getNodeType().toString().toLowerCase(Locale.ROOT) + ". Get the file again.");
        } catch (JsonProcessingException e) {
            JsonLocation place = e.getLocation();
            throw new IllegalArgumentException(
                    where + " is not JSON: " + e.getOriginalMessage()
                            + (place == null
                                    ? ""
                                    : " (line " + place.getLineNr() + ", column " + place.getColumnNr() + ")")
                            + ". Get the file again.",
                    e);
        } catch (IOException e) {
            throw new IllegalArgumentException(where + " can't be read: " + e.getMessage(), e);
        }
    }

    /** Reads a file that holds one JSON object, an empty one if there is no such file. */
    public static ObjectNode optional(ModelFiles files, String file) {
        return files.has(file) ? tree(files, file) : object();
    }

    /** Reads a file as a config whose values are asked for by name. */
    public static CheckpointConfig config(ModelFiles files, String file) {
        return new CheckpointConfig(files.source() + "/" + file, JsonTrees.plain(tree(files, file)));
    }

    /** The JSON text of a tree. */
    public static String text(JsonNode node) {
        try {
            return JsonTrees.text(node);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** An empty object. */
    public static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
