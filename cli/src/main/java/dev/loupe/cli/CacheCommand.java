package dev.loupe.cli;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe cache}: the activations of a run in a file. */
@Command(
        name = "cache",
        mixinStandardHelpOptions = true,
        description = "Write tokens, logits and activations of a run to a safetensors file.")
final class CacheCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final PromptOptions prompt = new PromptOptions();

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "The file to write, by custom FILE.safetensors.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(
            names = "--names",
            paramLabel = "GLOB[,GLOB…]",
            description =
                    "Hook points to observe, such as '*hook_pattern' or 'blocks.3.*'. Default: all standard ones.")
    private @Nullable String names;

    @Option(names = "--weights", description = "Add each weight as weights.W_Q and so on.")
    private boolean weights;

    @Override
    public Integer call() {
        prompt.read();
        try (HookedTransformer model = options.load()) {
            Tokens tokens = prompt.tokens(model);
            HookFilter filter = names == null ? HookFilter.standard() : HookFilter.glob(names);
            RunRequest request = RunRequest.of(tokens).observe(filter).build();
            try (RunResult run = model.run(request)) {
                SafetensorsWriter writer = new SafetensorsWriter();
                writer.metadata("loupe.model", options.model);
                writer.add("tokens", Output.ids(tokens));
                add(writer, "logits", run.logits());
                run.cache().items().forEach((name, tensor) -> add(writer, name, tensor));
                if (weights) {
                    weights(model).forEach((name, weight) -> {
                        try (Tensor tensor = weight.get()) {
                            writer.add("weights." + name, tensor.toHost());
                        }
                    });
                }
                writer.write(out);
                spec.commandLine()
                        .getOut()
                        .println("Wrote " + run.cache().size() + " activations to " + out + " (backend "
                                + model.backend().id() + ")");
                spec.commandLine().getOut().flush();
            }
        }
        return 0;
    }

    private static void add(SafetensorsWriter writer, String name, Tensor tensor) {
        writer.add(name, tensor.dtype(), tensor.shape(), tensor::toHost);
    }

    /** The weights that papers name, made one at a time. Copies: closing them leaves the model's own alone. */
    private static Map<String, Supplier<Tensor>> weights(HookedTransformer model) {
        Map<String, Supplier<Tensor>> all = new LinkedHashMap<>();
        TransformerConfig config = model.config();
        all.put("W_E", () -> copy(model.W_E()));
        if (config.positions() == TransformerConfig.Positions.LEARNED) {
            all.put("W_pos", () -> copy(model.W_pos()));
        }
        all.put("W_Q", model::W_Q);
        all.put("W_K", model::W_K);
        all.put("W_V", model::W_V);
        all.put("W_O", model::W_O);
        all.put("b_Q", model::b_Q);
        all.put("b_K", model::b_K);
        all.put("b_V", model::b_V);
        all.put("b_O", model::b_O);
        all.put("W_in", model::W_in);
        if (config.gatedMlp()) {
            all.put("W_gate", model::W_gate);
        }
        all.put("b_in", model::b_in);
        all.put("W_out", model::W_out);
        all.put("b_out", model::b_out);
        all.put("W_U", () -> copy(model.W_U()));
        all.put("b_U", () -> copy(model.b_U()));
        return all;
    }

    private static Tensor copy(Tensor weight) {
        return weight.reshape(weight.shape().toArray());
    }
}
