package dev.loupe.conformance;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.conformance.measures.Goldens;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/**
 * Makes the goldens of a checkpoint from the reference backend in float64. They tell when a family's outputs change;
 * whether they are right, only an independent implementation can tell (the guide says how to make goldens with one).
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class MakeGoldens {

    private static final int BATCH = 2;
    private static final int POSITIONS = 13;

    private MakeGoldens() {}

    /**
     * Writes {@code golden.safetensors} into a checkpoint's folder, over one that is there.
     *
     * @param arguments the folder
     */
    public static void main(String[] arguments) {
        PrintStream out = System.out;
        if (arguments.length != 1 || !Files.isDirectory(Path.of(arguments[0]))) {
            out.println("Usage: MakeGoldens FOLDER, a checkpoint: config.json and model.safetensors");
            return;
        }
        out.println("Wrote " + make(Path.of(arguments[0]), 1));
    }

    /**
     * Writes {@code golden.safetensors} into a checkpoint's folder, over one that is there: random tokens, logits, and
     * every hook point with raw and, where the architecture supports it, with processed weights.
     *
     * @param seed what the tokens come from
     * @return the file
     */
    public static Path make(Path folder, long seed) {
        Path file = folder.resolve(Goldens.FILE);
        SafetensorsWriter writer = new SafetensorsWriter();
        writer.metadata("made_by", "MakeGoldens from the backend 'reference' in float64");
        try (Backend backend = Backends.open("reference", BackendOptions.DEFAULT)) {
            Tokens tokens;
            boolean processing;
            try (HookedTransformer model = load(folder, LoadOptions.noProcessing(), backend)) {
                tokens = tokens(model, seed);
                processing = dev.loupe.architecture.Architectures.byId(
                                model.config().architecture())
                        .supportsProcessing();
                long[] flat = new long[tokens.batch() * tokens.positions()];
                for (int i = 0; i < flat.length; i++) {
                    flat[i] = tokens.id(i / tokens.positions(), i % tokens.positions());
                }
                writer.add("tokens", HostTensor.of(Shape.of(tokens.batch(), tokens.positions()), flat));
                add(writer, "raw.", model, tokens);
            }
            if (processing) {
                try (HookedTransformer model = load(folder, LoadOptions.defaults(), backend)) {
                    add(writer, "proc.", model, tokens);
                }
            }
        }
        writer.write(file);
        return file;
    }

    private static HookedTransformer load(Path folder, LoadOptions options, Backend backend) {
        return HookedTransformer.fromPretrained(folder.toString(), options.withDType(DType.FLOAT64), backend);
    }

    private static Tokens tokens(HookedTransformer model, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long[][] rows = new long[BATCH][Math.min(POSITIONS, model.config().nCtx())];
        for (long[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                row[i] = random.nextInt(model.config().dVocab());
            }
        }
        return Tokens.of(rows);
    }

    private static void add(SafetensorsWriter writer, String prefix, HookedTransformer model, Tokens tokens) {
        Trace trace = Traces.run(model, tokens, Traces.Way.PADDED_RIGHT, HookFilter.everything(), java.util.List.of());
        trace.forEach((name, value) -> {
            if (!name.equals(Traces.LOGITS)) {
                writer.add(prefix + name, value.to(DType.FLOAT32));
            } else if (prefix.equals("raw.")) {
                writer.add(name, value.to(DType.FLOAT32));
            }
        });
    }
}
