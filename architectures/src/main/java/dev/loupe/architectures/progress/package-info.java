/** Tells on the terminal how far something that takes long has come. */
@NullMarked
package dev.loupe.architectures.progress;

import org.jspecify.annotations.NullMarked;
