/** What the author of a compute backend sees: the backend, its provider, and the segments of graphs that it runs. */
@NullMarked
package dev.loupe.backend;

import org.jspecify.annotations.NullMarked;
