package dev.loupe.array;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * There is no room for a tensor: on a device, or for numbers on their way in or out in this process' memory. The
 * message names the tensor or the operation. Nothing else is lost: the model and all tensors can still be used, and
 * the same may work once others are closed, or with fewer or shorter sequences at once.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class OutOfTensorMemoryException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    /** The message without what to do about it. */
    private final String found;

    /** An exception for want of memory that was seen beforehand. */
    public OutOfTensorMemoryException(String message) {
        super(message);
        found = message;
    }

    /** An exception for want of memory; backends throw it. */
    public OutOfTensorMemoryException(String message, Throwable cause) {
        super(message, cause);
        found = message;
    }

    /**
     * An exception whose message is made of two sentences.
     *
     * @param found what there is no room for, and where
     * @param advice what a program can do about it; a command line has other words for that
     * @param cause what was seen, if it wasn't seen beforehand
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public OutOfTensorMemoryException(String found, String advice, @Nullable Throwable cause) {
        super(found + ". " + advice, cause);
        this.found = found;
    }

    /** What there is no room for, and where; without the advice, if that is known apart. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public String found() {
        return found;
    }
}
