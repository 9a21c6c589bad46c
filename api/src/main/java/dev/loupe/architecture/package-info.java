/** What the author of a model family sees: configs, weights, checkpoints, and the standard names that a graph uses. */
@NullMarked
package dev.loupe.architecture;

import org.jspecify.annotations.NullMarked;
