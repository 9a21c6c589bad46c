/** A backend in plain Java that anyone can read. */
@NullMarked
package dev.loupe.backend.reference;

import org.jspecify.annotations.NullMarked;
