/** A backend on libtorch. */
@NullMarked
package dev.loupe.backend.pytorch;

import org.jspecify.annotations.NullMarked;
