/** The rules of {@code docs/SPEC.md} as tests, a class for each part of a section. */
@NullMarked
package dev.loupe.conformance.rules;

import org.jspecify.annotations.NullMarked;
