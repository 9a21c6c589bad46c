/** The {@code loupe} command. */
@NullMarked
package dev.loupe.cli;

import org.jspecify.annotations.NullMarked;
