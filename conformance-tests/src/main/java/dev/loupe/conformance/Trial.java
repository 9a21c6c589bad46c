package dev.loupe.conformance;

/**
 * One test of a rule that is tried on many subjects.
 *
 * @param subject what it is tried on, as a path: {@code matmul/float32}
 * @param body throws if the rule is broken
 */
record Trial(String subject, Body body) {

    /** What a test does. */
    @FunctionalInterface
    interface Body {
        /** Throws if the rule is broken. */
        void run(Attempt attempt) throws Exception;
    }
}
