/** Named places in a model, and the functions that read and change what flows through them. */
@NullMarked
package dev.loupe.hook;

import org.jspecify.annotations.NullMarked;
