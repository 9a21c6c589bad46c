package dev.loupe.array;

import org.apiguardian.api.API;

/**
 * There is no room for a tensor: on a device, or for numbers on their way in or out in this process' memory. The
 * message names the tensor or the operation. Nothing else is lost: the model and all tensors can still be used, and
 * the same may work once others are closed, or with fewer or shorter sequences at once.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class OutOfTensorMemoryException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    /** An exception for want of memory that was seen beforehand. */
    public OutOfTensorMemoryException(String message) {
        super(message);
    }

    /** An exception for want of memory; backends throw it. */
    public OutOfTensorMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
