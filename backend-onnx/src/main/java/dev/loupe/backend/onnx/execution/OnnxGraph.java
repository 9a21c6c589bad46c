package dev.loupe.backend.onnx.execution;

import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.stage.Schedule;
import dev.loupe.backend.onnx.stage.Stage;
import dev.loupe.backend.onnx.stage.StageDivision;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A segment, cut into stages. */
final class OnnxGraph implements PreparedGraph {

    // A sweep that watches the points of a layer one at a time finds all of them again.
    static final int SCHEDULES_KEPT = 64;

    private final OnnxBackend backend;
    private final Segment segment;
    private final List<Stage> stages;
    private final @Nullable OnnxHandle[] weights;
    private final ReferenceCountedCache<List<Integer>, List<StageRun>> schedules =
            new ReferenceCountedCache<>(SCHEDULES_KEPT, runs -> runs.forEach(StageRun::close));

    OnnxGraph(OnnxBackend backend, Segment segment, WeightSource source) {
        this.backend = backend;
        this.segment = segment;
        this.stages = StageDivision.of(segment, backend.splitsProducts());
        this.weights = new OnnxHandle[segment.types().size()];
        for (Segment.WeightSlot weight : segment.weights()) {
            weights[weight.slot()] = (OnnxHandle) source.weight(weight.name());
        }
    }

    private List<StageRun> ready(List<Integer> wanted) {
        List<StageRun> runs = new ArrayList<>();
        try {
            for (Schedule.Call call : Schedule.of(segment, stages, wanted).calls()) {
                runs.add(StageRun.of(backend, segment, call, weights));
            }
        } catch (RuntimeException | Error e) {
            runs.forEach(StageRun::close);
            throw e;
        }
        return runs;
    }

    @Override
    public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
        Sizes sizes = Sizes.of(segment, inputs);
        try (Slots slots = new Slots(weights);
                ReferenceCountedCache.Lease<List<StageRun>> schedule =
                        schedules.acquire(List.copyOf(wanted), this::ready)) {
            for (int i = 0; i < inputs.size(); i++) {
                slots.lend(segment.inputs().get(i), (OnnxHandle) inputs.get(i));
            }
            for (StageRun run : schedule.value()) {
                run.run(slots, sizes);
            }
            return slots.take(wanted);
        }
    }

    @Override
    public void close() {
        schedules.close();
    }
}
