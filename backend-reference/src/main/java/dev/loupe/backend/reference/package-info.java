/**
 * The backend that says what every op means: plain Java over plain arrays, in float32 or float64. Other
 * backends are compared with its float64 results, so clarity comes before speed wherever speed doesn't show.
 *
 * <p>{@link dev.loupe.backend.reference.ReferenceBackend} sends each op to the class that knows its kind:
 * {@link dev.loupe.backend.reference.Elementwise}, {@link dev.loupe.backend.reference.Reductions}, {@link
 * dev.loupe.backend.reference.MatMul}, {@link dev.loupe.backend.reference.Indexing}, {@link
 * dev.loupe.backend.reference.Layout}, {@link dev.loupe.backend.reference.Rows}.
 */
@NullMarked
package dev.loupe.backend.reference;

import org.jspecify.annotations.NullMarked;
