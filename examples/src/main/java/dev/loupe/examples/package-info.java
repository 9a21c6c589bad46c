/** Short programs that use Loupe. */
@NullMarked
package dev.loupe.examples;

import org.jspecify.annotations.NullMarked;
