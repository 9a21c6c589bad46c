package dev.loupe.backend.onnx.host;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import org.apiguardian.api.API;

/** Checks indices: the runtime counts negative ones from the end. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Bounds {

    private Bounds() {}

    /**
     * Checks that indices lie within an axis.
     *
     * @param size the axis' size
     * @throws IndexOutOfBoundsException if one doesn't; names it, the operation and the size
     */
    public static void check(Op op, HostTensor indices, long size) {
        int count = (int) indices.shape().elements();
        for (int i = 0; i < count; i++) {
            long index = indices.data().getLong(i * 8);
            if (index < 0 || index >= size) {
                throw new IndexOutOfBoundsException(op + ": the index " + index + " (element " + i
                        + " of the indices, of shape " + indices.shape() + ") is not between 0 and " + (size - 1)
                        + ", the last of the axis");
            }
        }
    }
}
