package dev.loupe.backend;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import org.apiguardian.api.API;

/**
 * A backend's own representation of a tensor. Immutable. Two handles may share memory; each is closed once,
 * by Loupe, and the memory goes with the last.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface TensorHandle extends AutoCloseable {

    /** The data type. */
    DType dtype();

    /** The sizes. */
    Shape shape();

    /** Bytes of memory outside the Java heap that the handle keeps alive; 0 if there are none. */
    long nativeBytes();

    /** Where the data lies: {@code cpu}, {@code cuda:0}. */
    String device();

    /** Releases the memory. Called at most once; no other method is called afterwards. */
    @Override
    void close();
}
