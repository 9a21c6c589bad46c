package dev.loupe.backend;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A compute engine, open on a device. Safe for use from many threads at once.
 *
 * <p>Most backends extend {@link InterpretingBackend}, which needs {@link #execute} alone, or {@link
 * CompilingBackend}, which needs {@link #prepare} alone.
 *
 * <p>What reaches a backend has been checked: ops fit their inputs, axes are counted from 0, handles are the
 * backend's own and open, data types are among {@link Capabilities#dtypes()}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface Backend extends AutoCloseable {

    /** The provider's id. */
    String id();

    /** The device: {@code cpu}, {@code cuda:0}. */
    String device();

    /** What this backend can do on its device. */
    Capabilities capabilities();

    /** Bytes of memory that the device has, all that is in use included; 0 if nobody knows, or it is the process' own. */
    default long memoryBytes() {
        return 0;
    }

    /**
     * Bytes that all tensors of this backend together may take, where something else than the device's memory sets the
     * limit: Java's heap, say. {@link Long#MAX_VALUE} if nothing does.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    default long memoryLimit() {
        return Long.MAX_VALUE;
    }

    /**
     * Whether {@link #prepare} compiles: the planner then hands over whole regions in few standard forms. If
     * not, it hands over just what a run needs, with fused ops where nobody looks inside.
     */
    boolean compiles();

    /**
     * Whether {@link #upload} may keep the data itself. Where it always makes a copy, the memory can be used again as soon
     * as it returns, so that a model is loaded through the same few buffers.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    default boolean keepsUploads() {
        return true;
    }

    /**
     * Takes data in. The data may be kept, unless {@link #keepsUploads} denies it: whoever calls won't write to it again.
     *
     * @param placement where the data is needed, for backends with several devices
     * @throws UnsupportedOperationException if the data type is not among the capabilities; names it
     */
    TensorHandle upload(HostTensor data, Placement placement);

    /** Gives data out. The result may share memory that will never change, but lives on when the handle is closed. */
    HostTensor download(TensorHandle handle);

    /**
     * Runs one op on its own.
     *
     * @return one new handle for each output, owned by the caller; never one of the inputs, though it may
     *     share memory with one
     * @throws UnsupportedOperationException if the op doesn't work in the inputs' data type here; names both
     */
    List<TensorHandle> execute(Op op, List<TensorHandle> inputs);

    /**
     * As {@link #execute(Op, List)}, told what the op's type rule says of the outputs: for backends that would
     * otherwise ask their engine for it, which costs as much as a small op. Nobody else overrides it.
     *
     * @param outputs the type of each output, all sizes fixed
     */
    default List<TensorHandle> execute(Op op, List<TensorHandle> inputs, List<TensorType> outputs) {
        return execute(op, inputs);
    }

    /** Prepares a segment for running. */
    PreparedGraph prepare(Segment segment, WeightSource weights);

    /**
     * Frees what the backend keeps for itself: sessions, threads, idle memory. Handles and prepared graphs that are open
     * work as before, operations on the handles included, until they are closed: results are looked at after the model
     * that made them is gone. What is made from now on isn't kept for later. Idempotent.
     */
    @Override
    void close();
}
