package dev.loupe.backend.onnx.runtime;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxTensorLike;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apiguardian.api.API;

/** A model that is ready to run, from many threads at once. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxSession implements AutoCloseable {

    private static final long LARGE_RESULTS = 2 << 20;

    private final Model model;
    private final OrtSession session;
    private final boolean onGpu;
    private final List<OnnxHandle> weights;
    private final AtomicInteger users = new AtomicInteger(1);

    /**
     * A model to load.
     *
     * @param what what it computes, for messages
     * @param bytes the model, encoded
     * @param inputs names of its inputs
     * @param outputs names of its outputs
     * @param weights values of its external weights, by name
     * @param absorbs whether the session makes copies of the weights, in the form in which it reads them; otherwise it
     *     reads the weights themselves, which are kept open as long as the session
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares models
    public record Model(
            String what,
            byte[] bytes,
            List<String> inputs,
            List<String> outputs,
            Map<String, OnnxHandle> weights,
            boolean absorbs) {

        /** A model whose session reads the weights where they are. */
        public Model(
                String what, byte[] bytes, List<String> inputs, List<String> outputs, Map<String, OnnxHandle> weights) {
            this(what, bytes, inputs, outputs, weights, false);
        }
    }

    /**
     * Loads a model.
     *
     * @param gpu number of the GPU to run on; negative for the CPU
     * @throws IllegalStateException if the runtime refuses it; says what the model computes
     */
    public OnnxSession(OnnxRuntime runtime, Model model, int gpu) {
        this.model = model;
        this.onGpu = gpu >= 0;
        List<OnnxHandle> given = List.copyOf(model.weights().values());
        this.weights = model.absorbs() ? List.of() : given;
        given.forEach(OnnxHandle::retain);
        try (OrtSession.SessionOptions options = runtime.options(gpu)) {
            if (model.weights().values().stream()
                    .anyMatch(weight -> weight.dtype().isSixteenBits())) {
                // Folding the widening of a stored weight would keep it in both types.
                options.addConfigEntry("optimization.disable_specified_optimizers", "ConstantFolding");
            }
            if (model.absorbs()) {
                absorb(options, model.weights());
            } else {
                for (Map.Entry<String, OnnxHandle> weight : model.weights().entrySet()) {
                    options.addInitializer(weight.getKey(), weight.getValue().tensor());
                }
            }
            this.session = runtime.environment().createSession(model.bytes(), options);
        } catch (OrtException e) {
            given.forEach(OnnxHandle::release);
            throw new IllegalStateException(
                    "ONNX Runtime " + runtime.version() + " refused the model of " + model.what() + ": "
                            + e.getMessage(),
                    e);
        }
        if (model.absorbs()) {
            given.forEach(OnnxHandle::release);
        }
    }

    private static void absorb(OrtSession.SessionOptions options, Map<String, OnnxHandle> weights) throws OrtException {
        Map<String, OnnxTensorLike> values = new HashMap<>();
        weights.forEach((name, weight) -> values.put(name, weight.tensor()));
        options.addExternalInitializers(values);
        // The runtime's own allocator would keep what is freed once the copy is rearranged.
        options.addConfigEntry("session.use_device_allocator_for_initializers", "1");
    }

    /** Names of the inputs. */
    public List<String> inputs() {
        return model.inputs();
    }

    /** Names of the outputs. */
    public List<String> outputs() {
        return model.outputs();
    }

    /**
     * Runs the model.
     *
     * @param inputs one tensor for each input
     * @param results tensors to write results into, by name of the output; outputs without one are not wanted
     * @throws IllegalStateException if the session or an input is closed, or the runtime fails
     */
    public void run(List<OnnxHandle> inputs, Map<String, OnnxHandle> results) {
        retain();
        int held = 0;
        try {
            Map<String, OnnxTensor> from = new HashMap<>(inputs.size() * 2);
            for (OnnxHandle input : inputs) {
                input.retain();
                held++;
                from.put(model.inputs().get(held - 1), input.tensor());
            }
            Map<String, OnnxTensor> to = new HashMap<>(results.size() * 2);
            results.forEach((name, result) -> to.put(name, result.tensor()));
            run(
                    from,
                    to,
                    results.values().stream().mapToLong(OnnxHandle::nativeBytes).sum());
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime failed in " + model.what() + ": " + e.getMessage(), e);
        } finally {
            for (OnnxHandle input : inputs.subList(0, held)) {
                input.release();
            }
            release();
        }
    }

    // A session's arena keeps the most that it ever needed, and a model is many sessions: after a run with large
    // results
    // it is emptied. Where they are small, memory that is at hand is worth more.
    private void run(Map<String, OnnxTensor> from, Map<String, OnnxTensor> to, long resultBytes) throws OrtException {
        if (onGpu || resultBytes < LARGE_RESULTS) {
            session.run(from, to).close();
            return;
        }
        try (OrtSession.RunOptions options = new OrtSession.RunOptions()) {
            options.addRunConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
            session.run(from, Set.of(), to, options).close();
        }
    }

    private void retain() {
        int before;
        do {
            before = users.get();
            if (before == 0) {
                throw new IllegalStateException("The session of " + model.what() + " is closed");
            }
        } while (!users.compareAndSet(before, before + 1));
    }

    private void release() {
        if (users.decrementAndGet() == 0) {
            try {
                session.close();
            } catch (OrtException e) {
                throw new IllegalStateException("ONNX Runtime failed to close " + model.what(), e);
            } finally {
                weights.forEach(OnnxHandle::release);
            }
        }
    }

    /** Frees the session once no run is using it. Called once. */
    @Override
    public void close() {
        release();
    }
}
