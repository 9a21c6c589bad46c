package dev.loupe.architectures.checkpoint;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.LoadListener;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping.Rule;
import dev.loupe.architectures.processing.WeightProcessing;
import dev.loupe.architectures.tokenizer.FoundTokenizer;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A checkpoint whose files are open and checked, and whose weights are read when they are asked for. */
final class LoadedCheckpoint implements Checkpoint {

    private final ArchitectureProvider architecture;
    private final WeightProcessing processing;
    private final CheckpointTensors tensors;
    private final List<Rule> rules;
    private final Map<String, Shape> wanted;
    private final FoundTokenizer tokenizer;
    private final DType dtype;
    private final LoadListener listener;
    private final int partBytes;

    LoadedCheckpoint(
            ArchitectureProvider architecture,
            WeightProcessing processing,
            CheckpointTensors tensors,
            List<Rule> rules,
            Map<String, Shape> wanted,
            FoundTokenizer tokenizer,
            DType dtype,
            LoadListener listener,
            int partBytes) {
        this.architecture = architecture;
        this.processing = processing;
        this.tensors = tensors;
        this.rules = rules;
        this.wanted = wanted;
        this.tokenizer = tokenizer;
        this.dtype = dtype;
        this.listener = listener;
        this.partBytes = partBytes;
    }

    @Override
    public ArchitectureProvider architecture() {
        return architecture;
    }

    @Override
    public TransformerConfig config() {
        return processing.config();
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
        return tokenizer.tokenizer();
    }

    @Override
    public String tokenizerProblem() {
        return tokenizer.problem();
    }

    @Override
    public void readWeights(WeightConsumer consumer) {
        // Processing wants float32 at least; without it, weights go straight to their final type.
        boolean direct = processing.changesNothing() || dtype == DType.FLOAT64;
        long total = rules.stream()
                .mapToLong(rule ->
                        Shape.of(rule.layout().shape(WeightReader.sizes(rule))).elements() * dtype.bytes())
                .sum();
        Handover handover = new Handover(total);
        DType read = direct ? dtype : DType.FLOAT32;
        WeightReader reader = new WeightReader(tensors, rules, wanted, read, handover, partBytes);
        LoadListener.Task task = new LoadListener.Task(LoadListener.Kind.READ, shortName(), total);
        long[] done = {0};
        listener.begun(task);
        try {
            processing.run(reader, (name, weight) -> {
                boolean converts = weight.dtype() != dtype;
                HostTensor converted = converts ? reader.allocate(dtype, weight.shape()) : weight;
                if (converts) {
                    weight.copyTo(converted);
                }
                consumer.accept(name, converted);
                if (consumer.keeps()) {
                    handover.done(weight, converted);
                } else {
                    reader.recycle(weight);
                    if (converts) {
                        reader.recycle(converted);
                    }
                }
                done[0] = Math.min(total, done[0] + converted.bytes());
                listener.progress(task, done[0]);
            });
            listener.progress(task, total);
        } finally {
            listener.ended(task);
        }
    }

    private String shortName() {
        String name = config().modelName();
        return name.substring(name.lastIndexOf('/') + 1);
    }

    @Override
    public void close() {
        tensors.close();
    }
}
