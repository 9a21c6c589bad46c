package dev.loupe.hook;

import dev.loupe.array.Json;
import dev.loupe.io.IoFailures;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/** Interventions in a JSON file. */
final class InterventionFile {

    /** Far more than anyone writes into JSON; larger tensors belong into safetensors files. */
    private static final long MOST_BYTES = 256L << 20;

    private InterventionFile() {}

    static void write(Path file, List<Intervention> interventions) {
        StringJoiner all = new StringJoiner(",\n  ", "[\n  ", "\n]\n").setEmptyValue("[]\n");
        interventions.forEach(intervention -> all.add(intervention.toJson()));
        OutputFile.writeString(file, all.toString());
    }

    static List<Intervention> read(Path file) {
        String text;
        try {
            if (Files.size(file) > MOST_BYTES) {
                throw new IllegalArgumentException(file + " has " + Files.size(file)
                        + " bytes; a file of interventions has a few: tensors belong into a .safetensors file");
            }
            text = Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read the interventions in " + file + ": " + IoFailures.reason(e), e);
        }
        try {
            Object root = Json.parse(text);
            List<?> all = root instanceof List<?> list ? list : List.of(root == null ? "null" : root);
            return all.stream()
                    .map(one -> beside(file, InterventionJson.of(one)))
                    .toList();
        } catch (Json.JsonException | IllegalArgumentException e) {
            throw new IllegalArgumentException("In " + file + ": " + e.getMessage(), e);
        }
    }

    private static Intervention beside(Path file, Intervention read) {
        Intervention.Action action = read.action();
        if (action instanceof Intervention.Set set) {
            action = new Intervention.Set(beside(file, set.value()));
        } else if (action instanceof Intervention.Add add) {
            action = new Intervention.Add(beside(file, add.value()));
        } else if (action instanceof Intervention.ProjectOut out) {
            action = new Intervention.ProjectOut(beside(file, out.directions()));
        } else if (action instanceof Intervention.Patch patch) {
            action = new Intervention.Patch(patch.activations(), beside(file, patch.file()));
        }
        return new Intervention(read.point(), read.selection(), action);
    }

    private static Intervention.Values beside(Path file, Intervention.Values values) {
        return new Intervention.Values(values.factor(), values.numbers(), beside(file, values.file()), values.name());
    }

    private static @Nullable String beside(Path file, @Nullable String name) {
        return name == null ? null : file.resolveSibling(name).toString();
    }
}
