package dev.loupe.conformance.measures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import org.apiguardian.api.API;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Something that must throw. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Refusal {

    private Refusal() {}

    /**
     * Does something that must be refused.
     *
     * @param what for the message: {@code opening the device 'cuda:97'}
     * @throws AssertionError if nothing or something else is thrown
     */
    public static AbstractThrowableAssert<?, ?> of(
            String what, Class<? extends Throwable> kind, ThrowingCallable action) {
        Throwable thrown = catchThrowable(action);
        if (thrown == null) {
            throw new AssertionError(what + " threw nothing, expected " + kind.getName());
        }
        if (!kind.isInstance(thrown)) {
            throw new AssertionError(what + " threw " + thrown + ", expected " + kind.getName(), thrown);
        }
        return assertThat(thrown).as("what %s throws", what);
    }
}
