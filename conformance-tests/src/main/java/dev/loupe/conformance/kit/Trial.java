package dev.loupe.conformance.kit;

import org.apiguardian.api.API;

/**
 * One test of a rule that is tried on many subjects.
 *
 * @param subject what it is tried on, as a path: {@code matmul/float32}
 * @param body throws if the rule is broken
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Trial(String subject, Body body) {

    /** Makes the subject fit for a command line, where it selects the test: no spaces, commas or quotes. */
    public Trial {
        subject = subject.replaceAll("[^A-Za-z0-9._/+=-]+", "-");
    }

    /** What a test does. */
    @FunctionalInterface
    public interface Body {
        /** Throws if the rule is broken. */
        void run(Attempt attempt) throws Exception;
    }
}
