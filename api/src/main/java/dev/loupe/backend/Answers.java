package dev.loupe.backend;

import dev.loupe.array.HostTensor;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What a backend answered, checked where a wrong answer would otherwise fail somewhere else, without its name. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Answers {

    private Answers() {}

    /**
     * An answer that has to be there.
     *
     * @param call the method that was called, for the message: {@code upload}
     * @throws IllegalStateException if it is null; names the backend and the method
     */
    public static <T> T of(Backend backend, String call, @Nullable T answer) {
        if (answer == null) {
            throw wrong(backend, call, "null");
        }
        return answer;
    }

    /**
     * As many tensors as were asked for.
     *
     * @param call the method that was called, for the message: {@code run}
     * @throws IllegalStateException if they are fewer or more, or one is null; names the backend and the method
     */
    public static List<TensorHandle> of(Backend backend, String call, @Nullable List<TensorHandle> answer, int wanted) {
        List<TensorHandle> handles = of(backend, call, answer);
        if (handles.size() != wanted) {
            throw wrong(backend, call, handles.size() + " tensors where " + wanted + " were asked for");
        }
        for (int i = 0; i < wanted; i++) {
            if (handles.get(i) == null) {
                throw wrong(backend, call, "null for tensor " + i + " of " + wanted);
            }
        }
        return handles;
    }

    /**
     * Uploads.
     *
     * @throws IllegalStateException if what comes back isn't what was uploaded; names the backend
     */
    public static TensorHandle upload(Backend backend, HostTensor data, Placement placement) {
        TensorHandle handle = of(backend, "upload", backend.upload(data, placement));
        if (handle.dtype() != data.dtype() || !handle.shape().equals(data.shape())) {
            String found = handle.dtype() + " " + handle.shape();
            handle.close();
            throw wrong(backend, "upload", found + " for " + data.dtype() + " " + data.shape());
        }
        return handle;
    }

    /**
     * Downloads.
     *
     * @throws IllegalStateException if what comes back isn't of the handle's type and shape; names the backend
     */
    public static HostTensor download(Backend backend, TensorHandle handle) {
        HostTensor data = of(backend, "download", backend.download(handle));
        if (handle.dtype() != data.dtype() || !handle.shape().equals(data.shape())) {
            throw wrong(
                    backend,
                    "download",
                    data.dtype() + " " + data.shape() + " for " + handle.dtype() + " " + handle.shape());
        }
        return data;
    }

    /**
     * A failure of a backend's own that its message can't be understood without.
     *
     * @param call the method that was called, for the message
     */
    public static IllegalStateException failed(Backend backend, String call, RuntimeException failure) {
        return new IllegalStateException(told(backend, "failed in " + call + "(): " + failure), failure);
    }

    private static IllegalStateException wrong(Backend backend, String call, String found) {
        return new IllegalStateException(told(backend, "answered " + found + " to " + call + "()"));
    }

    private static String told(Backend backend, String what) {
        return "The backend '" + backend.id() + "' (" + backend.getClass().getName() + ") " + what
                + ". What to do: tell its makers (loupe conformance shows it), or choose another backend";
    }
}
