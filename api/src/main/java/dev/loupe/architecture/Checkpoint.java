package dev.loupe.architecture;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import java.util.Optional;
import org.apiguardian.api.API;

/** A checkpoint that was found and understood, its weights not read yet. */
@API(status = API.Status.STABLE, since = "0.1")
public interface Checkpoint extends AutoCloseable {

    /** The architecture that builds its graph. */
    ArchitectureProvider architecture();

    /** The config as it is after the processing that was asked for. */
    TransformerConfig config();

    /**
     * The data type in which weights are handed over: the one asked for, and if {@linkplain LoadOptions#autoDType()
     * the checkpoint's own} was, the one in which most of it is stored. Asked in the latter case only.
     */
    default DType dtype() {
        return DType.FLOAT32;
    }

    /** The tokenizer, if the checkpoint has one. */
    Optional<Tokenizer> tokenizer();

    /** Why there is no tokenizer and what to do about it; empty if there is one. */
    String tokenizerProblem();

    /**
     * Reads, processes and hands over every weight, one after the other, in the data type asked for. A tensor
     * is not needed any more by the checkpoint once it is handed over.
     *
     * @throws IllegalArgumentException if tensors are missing, or have other shapes than the config says;
     *     names them
     */
    void readWeights(WeightConsumer consumer);

    /** Takes weights. */
    @FunctionalInterface
    interface WeightConsumer {
        /** Takes one weight of the graph. */
        void accept(String name, HostTensor weight);

        /** Whether it may keep a weight that it has taken; otherwise the memory can be used again for the next. */
        @API(status = API.Status.EXPERIMENTAL, since = "0.1")
        default boolean keeps() {
            return true;
        }
    }

    /** Unmaps the files. */
    @Override
    void close();
}
