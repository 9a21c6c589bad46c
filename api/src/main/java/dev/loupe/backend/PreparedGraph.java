package dev.loupe.backend;

import java.util.List;
import org.apiguardian.api.API;

/** A segment that is ready to run, many times, from many threads at once. */
@API(status = API.Status.STABLE, since = "0.1")
public interface PreparedGraph extends AutoCloseable {

    /**
     * Runs the segment.
     *
     * @param inputs one handle for each of {@link Segment#inputs()}, in that order; they stay open and
     *     unchanged
     * @param wanted slots, out of {@link Segment#outputs()}, that are needed; the rest need not be computed
     * @return one new handle for each wanted slot, in that order, owned by the caller. A handle is never one of
     *     the inputs, though it may share memory with one.
     */
    List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted);

    /** Frees what was prepared. Never called while a run is going on. */
    @Override
    void close();
}
