package dev.loupe.architectures.hub;

import java.time.Duration;
import org.apiguardian.api.API;

/** Waits between two attempts. */
@FunctionalInterface
@API(status = API.Status.INTERNAL, since = "0.1")
public interface Sleeper {

    /** Really waits. */
    Sleeper REAL = pause -> Thread.sleep(pause.toMillis());

    /** Waits so long. */
    void sleep(Duration pause) throws InterruptedException;
}
