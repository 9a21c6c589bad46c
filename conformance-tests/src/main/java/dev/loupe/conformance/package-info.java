/**
 * The kit that tells the author of a backend or an architecture whether it keeps the rules of {@code docs/SPEC.md},
 * and, where it doesn't, which rule, on what, and how to see it again. Start with {@link
 * dev.loupe.conformance.BackendConformanceKit}.
 */
@NullMarked
package dev.loupe.conformance;

import org.jspecify.annotations.NullMarked;
