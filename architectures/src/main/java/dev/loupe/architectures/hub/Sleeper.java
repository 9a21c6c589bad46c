package dev.loupe.architectures.hub;

import java.time.Duration;

/** Waits between two attempts. */
@FunctionalInterface
public interface Sleeper {

    /** Really waits. */
    Sleeper REAL = pause -> Thread.sleep(pause.toMillis());

    /** Waits so long. */
    void sleep(Duration pause) throws InterruptedException;
}
