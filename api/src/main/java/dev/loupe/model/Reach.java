package dev.loupe.model;

/**
 * How far the sequences of a generation may get, which it tells its steps.
 *
 * @param columns that are run in the end, prompt and padding included
 */
record Reach(long columns) {}
