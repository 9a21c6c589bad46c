/** Between the public API and the backends: planning and running. Not for use outside Loupe. */
@NullMarked
package dev.loupe.internal;

import org.jspecify.annotations.NullMarked;
