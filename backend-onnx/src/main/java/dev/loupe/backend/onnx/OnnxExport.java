package dev.loupe.backend.onnx;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Segment;
import dev.loupe.backend.WholeGraph;
import dev.loupe.backend.onnx.export.ExportedGraph;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.TensorType;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.StandaloneModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * Writes a model to an ONNX file whose outputs are the logits and chosen hook points. The file needs nothing of Loupe:
 * any ONNX Runtime from 1.14 on loads it (operator set 18, format version 8, standard operators only).
 *
 * <p>Inputs: {@code tokens} int64 {@code [batch, pos]}, and {@code attention_mask} int64 {@code [batch, pos]}, 0 at
 * padding and 1 elsewhere, as tokenizers give it; padding may stand on the left. Both sizes vary from run to run, up
 * to the model's context. Outputs: {@code logits} {@code [batch, pos, d_vocab]}, and each hook point under its full
 * name, with the values that a run without hooks has there; at padding they mean nothing.
 *
 * <p>Weights are the model's own, processed as it was loaded, in float32. They are written one by one.
 *
 * <pre>{@code
 * OnnxExport.of(model).observe(HookFilter.glob("*hook_pattern")).write(Path.of("model.onnx"));
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class OnnxExport {

    /** Weights beyond this stand in a file of their own: the format's limit is 2 GiB, the nodes need some of it. */
    private static final long MOST_INLINE_BYTES = Integer.MAX_VALUE - (64L << 20);

    // So that the file can be mapped: Windows maps from multiples of 64 KiB.
    private static final long LARGE = 1 << 20;
    private static final long ALIGNMENT_OF_LARGE = 1 << 16;
    private static final long ALIGNMENT = 64;

    private final HookedTransformer model;
    private final StandaloneModel content;
    private final boolean externalData;
    private final boolean replaces;

    private OnnxExport(HookedTransformer model, StandaloneModel content, boolean externalData, boolean replaces) {
        this.model = model;
        this.content = content;
        this.externalData = externalData;
        this.replaces = replaces;
    }

    /**
     * What was written.
     *
     * @param file the model
     * @param data the file with its weights, if they are not in the model
     * @param outputs names of the outputs, in order
     * @param values names of the inputs that take values of interventions; none unless they were asked for
     * @param bytes size of the file, or of both
     */
    public record Written(Path file, Optional<Path> data, List<String> outputs, List<String> values, long bytes) {
        /** Copies the names. */
        public Written {
            outputs = List.copyOf(outputs);
            values = List.copyOf(values);
        }
    }

    /** A weight's place in the file of weights. */
    private record Place(String name, TensorType type, long offset, long bytes) {}

    /** The export of a model's logits. The model may be on any backend; its hooks play no part. */
    public static OnnxExport of(HookedTransformer model) {
        return new OnnxExport(model, StandaloneModel.of(model), false, false);
    }

    private OnnxExport with(StandaloneModel other) {
        return new OnnxExport(model, other, externalData, replaces);
    }

    /** With these hook points as outputs too, and those chosen before. Optional points are computed if chosen. */
    public OnnxExport observe(HookFilter more) {
        return with(content.observe(more));
    }

    /** With these interventions inside, after those given before: a steered model, one without a head. */
    public OnnxExport intervene(Intervention... more) {
        return with(content.intervene(more));
    }

    /** The values of the interventions are inputs of the file, as {@link StandaloneModel#valuesAsInputs} tells. */
    public OnnxExport valuesAsInputs() {
        return with(content.valuesAsInputs());
    }

    /**
     * With a metric as the output {@code metric}, and its derivatives at hook points as outputs, each under the point's name
     * and {@code _grad}.
     */
    public OnnxExport gradients(Metric metric, HookFilter points) {
        return with(content.gradients(metric, points));
    }

    /**
     * With the weights in {@code FILE.onnx.data} beside the model, which knows the file by its name. That is done
     * without asking where they are too large for the format, which allows 2 GiB.
     */
    public OnnxExport externalData() {
        return new OnnxExport(model, content, true, replaces);
    }

    /** Files that exist are replaced. */
    public OnnxExport replacing() {
        return new OnnxExport(model, content, externalData, true);
    }

    /**
     * Writes the file or files, as {@link OutputFile} does: nobody ever sees half of one.
     *
     * @throws IllegalArgumentException if an intervention or the metric depends on a certain batch or length
     * @throws dev.loupe.graph.UnknownHookException if a chosen hook point doesn't exist; names the nearest
     * @throws UnsupportedOperationException if the model isn't in float32, or has an operation or an input that can't be
     *     exported; names it
     * @throws java.io.UncheckedIOException if a file exists and isn't to be {@linkplain #replacing replaced}, or can't be
     *     written; nothing is left behind then
     */
    public Written write(Path file) {
        requireExportable();
        StandaloneModel.Written standalone = content.write();
        WholeGraph whole = standalone.whole();
        List<Place> places = places(whole.segment());
        long bytes = places.stream().mapToLong(Place::bytes).sum();
        boolean external = externalData || bytes > MOST_INLINE_BYTES;
        try (OutputFile modelFile = output(file);
                OutputFile dataFile = external ? output(dataOf(file)) : null) {
            ModelBuilder builder = describe(new ModelBuilder(model.config().modelName(), false));
            String location = String.valueOf(dataOf(file).getFileName());
            for (Place place : places) {
                DType dtype = place.type().dtype();
                if (external) {
                    builder.externalWeight(place.name(), dtype, place.type().shape(), location, place.offset());
                } else {
                    builder.weight(place.name(), dtype, place.type().shape());
                }
            }
            List<String> outputs = ExportedGraph.write(whole, standalone.values(), builder);
            long written = dataFile == null ? 0 : dataFile.write(channel -> writeAll(whole, places, channel));
            written += modelFile.write(channel ->
                    builder.write(channel, weight -> tensor(whole, weight).data()));
            // In this order a model never stands there without its weights.
            if (dataFile != null) {
                dataFile.publish();
            }
            modelFile.publish();
            return new Written(
                    file, Optional.ofNullable(dataFile).map(OutputFile::path), outputs, standalone.values(), written);
        }
    }

    private OutputFile output(Path file) {
        return replaces ? OutputFile.replacing(file) : OutputFile.creating(file);
    }

    private static Path dataOf(Path file) {
        return file.resolveSibling(file.getFileName() + ".data");
    }

    private void requireExportable() {
        // In float64 ONNX Runtime, as people set it up, fuses nodes into some for which it has no float64 kernel.
        DType loadedIn = model.options().dtype();
        if (loadedIn != DType.FLOAT32) {
            throw new UnsupportedOperationException(
                    "A model in " + loadedIn + " can't be exported to ONNX: load it in float32");
        }
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            throw new UnsupportedOperationException(
                    "Export to ONNX needs a little-endian processor, this one is big-endian");
        }
    }

    private ModelBuilder describe(ModelBuilder builder) {
        return builder.metadata("loupe.model", model.config().modelName())
                .metadata("loupe.architecture", model.config().architecture())
                .metadata("loupe.n_ctx", Integer.toString(model.config().nCtx()))
                .metadata("loupe.d_vocab", Integer.toString(model.config().dVocab()));
    }

    private static List<Place> places(Segment segment) {
        List<Place> places = new ArrayList<>();
        long end = 0;
        for (Segment.WeightSlot weight : segment.weights()) {
            TensorType type = segment.types().get(weight.slot());
            long bytes =
                    Math.multiplyExact(type.shape().elements(), type.dtype().bytes());
            long alignment = bytes >= LARGE ? ALIGNMENT_OF_LARGE : ALIGNMENT;
            long offset = (end + alignment - 1) / alignment * alignment;
            places.add(new Place(weight.name(), type, offset, bytes));
            end = offset + bytes;
        }
        return places;
    }

    private void writeAll(WholeGraph whole, List<Place> places, WritableByteChannel channel) throws IOException {
        long position = 0;
        for (Place place : places) {
            // Less than the largest alignment.
            OutputFile.writeFully(channel, ByteBuffer.allocate(Math.toIntExact(place.offset() - position)));
            for (ByteBuffer part : tensor(whole, place.name()).parts()) {
                OutputFile.writeFully(channel, part.duplicate().clear());
            }
            position = place.offset() + place.bytes();
        }
    }

    // In a model below 2 GiB every weight lies in one buffer.
    private HostTensor tensor(WholeGraph whole, String weight) {
        HostTensor constant = whole.constants().get(weight);
        return constant == null ? model.weight(weight).toHost() : constant;
    }
}
