package dev.loupe.cli;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.hook.Intervention;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The model that {@code loupe jshell} begins with. The process in which snippets run calls this. */
public final class ShellModel {

    private ShellModel() {}

    /**
     * Loads it and says so.
     *
     * @param then a file of the shell's commands that are done next: if the model can't be loaded, the end
     * @param name the model
     * @param options how to load it
     * @param interventionFiles files of interventions
     * @param interventions more of them, as text
     * @return the model; null if it can't be loaded, for a reason that has been told
     */
    public static @Nullable HookedTransformer load(
            Path then, String name, LoadOptions options, List<Path> interventionFiles, List<String> interventions) {
        try {
            HookedTransformer model = HookedTransformer.fromPretrained(name, options);
            interventionFiles.forEach(file -> Intervention.read(file).forEach(model::addPermanentHook));
            interventions.forEach(text -> model.addPermanentHook(Intervention.parse(text)));
            System.out.println("'model' is " + model.config().modelName() + " on "
                    + model.backend().id()
                    + ". Try: model.generate(\"The capital of France is\", GenerateOptions.greedy(3))");
            return model;
        } catch (RuntimeException | Error e) {
            PrintStream err = System.err;
            err.println("loupe: " + Failures.message(e));
            OutputFile.writeString(then, "/exit 1\n");
            return null;
        }
    }
}
