/** What users of the public API may rely on, whatever the architecture: hooks, runs, caches, text, generation. */
@NullMarked
package dev.loupe.behaviour;

import org.jspecify.annotations.NullMarked;
